import { Duplex } from 'node:stream';
import { CommandWriter } from '../../../src/protocols/imap/writer.js';

const never = new Promise<never>(() => undefined);
const writerTo = (socket: Duplex): CommandWriter =>
  new CommandWriter(
    socket,
    () => undefined,
    never,
    async () => undefined,
    'all',
  );

/** Two commands, each with literals of these sizes, and bodies whose memory is overwritten as soon as they were sent. */
async function sendTwo(socket: Duplex, sizes: readonly number[]): Promise<Buffer> {
  const expected: Buffer[] = [];
  for (const tag of ['F1', 'F2']) {
    const out = writerTo(socket);
    const text = (line: string): void => {
      expected.push(Buffer.from(line, 'latin1'));
      out.text(line);
    };
    text(`${tag} APPEND box`);
    for (const [n, size] of sizes.entries()) {
      text(` (\\Seen) "d\xe9j\xe0 ${n}" `);
      expected.push(Buffer.from(`{${size}+}\r\n`));
      await out.announce(size);
      const body = Buffer.alloc(size, 65 + ((sizes[0]! * 7 + n + (tag === 'F2' ? 13 : 0)) % 26));
      expected.push(Buffer.from(body));
      for (let at = 0; at < size; at += 70_000) await out.send(body.subarray(at, at + 70_000));
      body.fill(0x2d);
    }
    text('\r\n');
    await out.settle();
  }
  return Buffer.concat(expected);
}

/** A server that looks at what it is given some turns later. */
function slow(turns: number): { socket: Duplex; got: Buffer[] } {
  const got: Buffer[] = [];
  const socket = new Duplex({
    highWaterMark: 16 * 1024,
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      let left = turns;
      const turn = (): void => {
        if (left-- > 0) return void setImmediate(turn);
        got.push(Buffer.from(chunk));
        done();
      };
      turn();
    },
  });
  return { socket, got };
}

it('what is sent stays what it was, whatever its owner does with the memory and however late the server reads', async () => {
  const sizes = [0, 1, 300, 70_000, 262_144, 5, 600_000, 262_143, 2, ...Array.from({ length: 50 }, (_, n) => n * 997)];
  const all = [0, 2, 5, 1].map(async (turns, n) => {
    const { socket, got } = slow(turns);
    const expected = await sendTwo(socket, [n, ...sizes]);
    expect(Buffer.concat(got).equals(expected)).toBe(true);
  });
  await Promise.all(all);
});
