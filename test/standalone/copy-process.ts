import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { CopyEvent, EndEvent } from '../../src/standalone/commands/copy/events.js';
import type { TestAccount } from '../servers/dovecot.js';

export interface CopyRun {
  readonly child: ChildProcess;
  /** Resolves when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }>;
  /** Waits for the first event that fits. Rejects when it ends without one. */
  event(fits: (event: CopyEvent) => boolean): Promise<CopyEvent>;
}

/** dist/src/cli.js (or another script) as a process of its own, with the passwords in its environment. */
export function startCopy(
  args: readonly string[],
  options: {
    readonly dataDir: string;
    readonly from?: string;
    readonly to?: string;
    readonly databaseUrl?: string;
    readonly script?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): CopyRun {
  const { MAILFERRY_DATABASE_URL: _url, MAILFERRY_CONFIG: _config, ...bare } = process.env;
  const child = spawn(process.execPath, [resolve(options.script ?? 'dist/src/cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...bare,
      MAILFERRY_DATA_DIR: options.dataDir,
      NODE_EXTRA_CA_CERTS: join(options.dataDir, 'ca.crt'),
      ...(options.databaseUrl ? { MAILFERRY_DATABASE_URL: options.databaseUrl } : {}),
      ...(options.from ? { MAILFERRY_FROM_PASSWORD: options.from } : {}),
      ...(options.to ? { MAILFERRY_TO_PASSWORD: options.to } : {}),
      ...options.env,
    },
  });
  let [out, err] = ['', ''];
  const watchers = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    for (const look of watchers) look();
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended: CopyRun['ended'] = new Promise((done) =>
    child.once('close', (code, signal) => done({ code, signal, out, err })),
  );
  return {
    child,
    ended,
    event: (fits) =>
      new Promise((done, fail) => {
        const look = (): void => {
          const found = eventsOf(out).find(fits);
          if (found === undefined) return;
          watchers.delete(look);
          done(found);
        };
        watchers.add(look);
        look();
        void ended.then(({ code, err: told }) => fail(new Error(`ended with ${code} before it: ${out}\n${told}`)));
      }),
  };
}

/** Whole lines only: the last one may still be on its way. */
export function eventsOf(out: string): CopyEvent[] {
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as CopyEvent);
}

export function endOf(out: string): EndEvent {
  return eventsOf(out).find((event): event is EndEvent => event.event === 'end')!;
}

export function urlOf({ user, imapsPort }: TestAccount, port = imapsPort): string {
  return `imaps://${user}@127.0.0.1:${port}`;
}

/** Both providers' authorities in one file. */
export function trust(dir: string, ...authorities: readonly string[]): void {
  writeFileSync(join(dir, 'ca.crt'), authorities.join('\n'));
}

/** A wire that lets so many bytes from the server through and then holds everything, until it is told to let go. */
export class HoldingWire {
  private readonly sockets = new Set<Socket>();
  private passed = 0;
  private held: Socket[] = [];
  private open = 0;
  private widest = 0;
  private readonly server = createServer((client) => this.join(client));

  private constructor(
    private readonly target: number,
    private readonly most: number,
  ) {}

  static async before(target: number, most: number): Promise<HoldingWire> {
    const wire = new HoldingWire(target, most);
    await new Promise<void>((done) => wire.server.listen(0, '127.0.0.1', done));
    return wire;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** How many connections were open at the same moment. */
  get mostAtOnce(): number {
    return this.widest;
  }

  letGo(): void {
    this.passed = -Infinity;
    for (const socket of this.held.splice(0)) socket.resume();
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private join(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    this.widest = Math.max(this.widest, ++this.open);
    client.once('close', () => this.open--);
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.pipe(server);
    server.on('data', (chunk: Buffer) => {
      this.passed += chunk.length;
      client.write(chunk);
      if (this.passed <= this.most) return;
      server.pause();
      this.held.push(server);
    });
  }
}
