/**
 * An IMAP server that says what a test tells it to, on a loopback port of its own, in the clear. It knows just enough of the
 * protocol to be signed in to and read from; a test replaces what it wants to go wrong.
 *
 *     const server = await scriptedImap({ 'UID FETCH': async ({ tag, session }) => session.hangUp() });
 *     server.lines                    // every line clients sent, over all connections
 *     await server.close();
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface Session {
  readonly socket: Socket;
  /** From 1, over all connections of the server. */
  readonly number: number;
  send(text: string | Buffer): Promise<void>;
  /** The next line without its end. Rejects when the client has gone. */
  line(): Promise<string>;
  bytes(count: number): Promise<Buffer>;
  hangUp(): void;
}
export interface Command {
  readonly tag: string;
  /** Upper case; UID commands with the second word. */
  readonly name: string;
  /** What follows the name. */
  readonly rest: string;
  readonly session: Session;
}
export type Script = Readonly<Record<string, (command: Command) => Promise<void> | void>>;

export interface ScriptedImap {
  readonly port: number;
  readonly lines: string[];
  readonly connections: () => number;
  close(): Promise<void>;
}

export interface ScriptedOptions {
  /** Null: says nothing. */
  readonly greeting?: string | null;
  readonly capabilities?: string;
}

const CAPABILITIES = 'IMAP4rev1 AUTH=PLAIN LITERAL+ MULTIAPPEND UIDPLUS';

export async function scriptedImap(script: Script = {}, options: ScriptedOptions = {}): Promise<ScriptedImap> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  let count = 0;
  const capabilities = options.capabilities ?? CAPABILITIES;
  const all: Script = { ...defaults(capabilities), ...script };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const session = sessionOn(socket, ++count, lines);
    const greeting = options.greeting === undefined ? `* OK [CAPABILITY ${capabilities}] ready\r\n` : options.greeting;
    void serve(session, greeting, all).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    connections: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function serve(session: Session, greeting: string | null, script: Script): Promise<void> {
  if (greeting !== null) await session.send(greeting);
  for (;;) {
    const line = await session.line();
    const [, tag = '*', first = '', second = ''] = /^(\S+) (\S+)(?: (\S+))?/.exec(line) ?? [];
    const uid = first.toUpperCase() === 'UID';
    const name = uid ? `UID ${second.toUpperCase()}` : first.toUpperCase();
    const rest = line.slice(tag.length + 1 + (uid ? `UID ${second}`.length : first.length)).trim();
    const act = script[name] ?? (({ session: s }) => s.send(`${tag} OK done\r\n`));
    await act({ tag, name, rest, session });
  }
}

function defaults(capabilities: string): Script {
  return {
    CAPABILITY: ({ tag, session }) => session.send(`* CAPABILITY ${capabilities}\r\n${tag} OK done\r\n`),
    AUTHENTICATE: async ({ tag, session }) => {
      await session.send('+ \r\n');
      await session.line();
      await session.send(`${tag} OK [CAPABILITY ${capabilities}] signed in\r\n`);
    },
    NAMESPACE: ({ tag, session }) => session.send(`* NAMESPACE (("" "/")) NIL NIL\r\n${tag} OK done\r\n`),
    LIST: ({ tag, session }) => session.send(`* LIST () "/" INBOX\r\n${tag} OK done\r\n`),
    STATUS: ({ tag, rest, session }) =>
      session.send(
        `* STATUS ${rest.slice(0, rest.lastIndexOf(' ('))} (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n${tag} OK done\r\n`,
      ),
    EXAMINE: ({ tag, session }) => session.send(opened(tag, 'READ-ONLY')),
    SELECT: ({ tag, session }) => session.send(opened(tag, 'READ-WRITE')),
    LOGOUT: async ({ tag, session }) => {
      await session.send(`* BYE bye\r\n${tag} OK done\r\n`);
      session.hangUp();
    },
  };
}

function opened(tag: string, mode: string): string {
  const told = [
    '* 3 EXISTS',
    '* OK [UIDVALIDITY 7] ok',
    '* OK [UIDNEXT 4] ok',
    '* OK [PERMANENTFLAGS (\\Seen \\*)] ok',
  ];
  return `${told.join('\r\n')}\r\n${tag} OK [${mode}] done\r\n`;
}

/** One FETCH answer with a body. */
export function fetched(uid: number, body: string): string {
  const size = Buffer.byteLength(body, 'latin1');
  return `* ${uid} FETCH (UID ${uid} FLAGS (\\Seen) INTERNALDATE "13-May-2014 16:53:20 +0000" BODY[] {${size}}\r\n${body})\r\n`;
}

/** The UIDs a set names. */
export function uidsIn(rest: string): number[] {
  return rest
    .split(' ')[0]!
    .split(',')
    .flatMap((range) => {
      const [from, to = from] = range.split(':').map(Number);
      return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
    });
}

/** Reads the messages of an APPEND whose line has been read; `count` of them, the final CRLF included. */
export async function readAppend({ rest, session }: Command): Promise<Buffer[]> {
  const bodies: Buffer[] = [];
  for (let line = rest; ; line = await session.line()) {
    const literal = /\{(\d+)(\+?)\}$/.exec(line);
    if (literal === null) return bodies;
    if (literal[2] === '') await session.send('+ go ahead\r\n');
    bodies.push(await session.bytes(Number(literal[1])));
  }
}

function sessionOn(socket: Socket, number: number, lines: string[]): Session {
  let held = Buffer.alloc(0);
  let gone = false;
  let wake: (() => void) | null = null;
  const rouse = (): void => {
    wake?.();
    wake = null;
  };
  socket.on('data', (data) => {
    held = Buffer.concat([held, data]);
    rouse();
  });
  socket.on('close', () => {
    gone = true;
    rouse();
  });
  const until = async (ready: () => boolean): Promise<void> => {
    while (!ready()) {
      if (gone) throw new Error('the client has gone');
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return {
    socket,
    number,
    async send(text) {
      if (!gone) await new Promise<void>((resolve) => socket.write(text, 'latin1', () => resolve()));
    },
    async line() {
      await until(() => held.includes('\n'));
      const end = held.indexOf('\n');
      const line = held.toString('latin1', 0, end).replace(/\r$/, '');
      held = held.subarray(end + 1);
      lines.push(line);
      return line;
    },
    async bytes(count) {
      await until(() => held.length >= count);
      const bytes = Buffer.from(held.subarray(0, count));
      held = held.subarray(count);
      return bytes;
    },
    hangUp: () => socket.destroy(),
  };
}
