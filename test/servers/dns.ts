/**
 * A name server of a test's own, over UDP on loopback: answers SRV (RFC 2782) and MX (RFC 1035) questions from a table, and
 * says that every other name does not exist. names.mjs makes a process of the product ask it.
 *
 *     const dns = await startDns({ mx: { 'old.example.test': ['mx.old.example.test'] }, srv: { ... } });
 *     dns.asked;      // ['SRV _imaps._tcp.old.example.test', ...]
 */
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

export interface Zone {
  /** By name, e.g. `_imaps._tcp.example.test`. */
  readonly srv?: Readonly<Record<string, readonly { readonly name: string; readonly port: number }[]>>;
  readonly mx?: Readonly<Record<string, readonly string[]>>;
}
export interface TestDns {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

const MX = 15;
const SRV = 33;
const HEADER = 12;

export async function startDns(zone: Zone): Promise<TestDns> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const { name, type, end } = question(query);
    asked.push(`${type === SRV ? 'SRV' : type === MX ? 'MX' : type} ${name}`);
    socket.send(answer(query.subarray(0, end), dataFor(zone, name, type)), port, address);
  });
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
  const { port } = socket.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    asked,
    stop: () => new Promise((closed) => socket.close(() => closed())),
  };
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function dataFor({ srv, mx }: Zone, name: string, type: number): Buffer[] {
  if (type === SRV)
    return (srv?.[name] ?? []).map(({ name: host, port }, i) => Buffer.concat([numbers(i, 0, port), encoded(host)]));
  if (type === MX) return (mx?.[name] ?? []).map((host, i) => Buffer.concat([numbers(i), encoded(host)]));
  return [];
}

/** @param asked header and question as they came. */
function answer(asked: Buffer, data: readonly Buffer[]): Buffer {
  const header = Buffer.from(asked);
  const NAME_ERROR = 3;
  // Response, recursion available; one question, no authority.
  header.writeUInt16BE(0x8180 | (data.length === 0 ? NAME_ERROR : 0), 2);
  for (const [at, count] of [1, data.length, 0, 0].entries()) header.writeUInt16BE(count, 4 + 2 * at);
  const type = asked.readUInt16BE(asked.length - 4);
  const IN = 1;
  const TTL = [0, 60] as const;
  const THE_QUESTIONS_NAME = 0xc000 | HEADER;
  return Buffer.concat([
    header,
    ...data.flatMap((one) => [numbers(THE_QUESTIONS_NAME, type, IN, ...TTL, one.length), one]),
  ]);
}

function numbers(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length);
  values.forEach((value, at) => buffer.writeUInt16BE(value, 2 * at));
  return buffer;
}

function encoded(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  return Buffer.concat([...labels, Buffer.from([0])]);
}
