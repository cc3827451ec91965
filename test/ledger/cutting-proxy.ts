import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface CuttingProxy {
  readonly url: string;
  /** The next commit of something new reaches the server and is done; its reply does not come back, the connection is cut instead. */
  cutNextCommit(): void;
  /** How many replies were kept back. */
  readonly cuts: number;
  /** Cuts every connection, and refuses new ones until `up()`. */
  down(): void;
  up(): void;
  close(): Promise<void>;
}

/** What ends a transaction, and what is one of its own when it is said outside of one. */
const COMMIT = 'COMMIT';
const WRITES = /\b(INSERT INTO|DELETE FROM)\b/;
/** ReadyForQuery, the last message of every answer: its length, then 'I' outside of a transaction (PostgreSQL 18, section 54.7). */
const READY = Buffer.from([0x5a, 0, 0, 0, 5]);
const OUTSIDE = 'I'.charCodeAt(0);

/** A TCP proxy before Postgres that loses what a test wants lost. */
export async function cuttingProxy(url: string): Promise<CuttingProxy> {
  const target = new URL(url);
  const open = new Set<Socket>();
  let armed = false;
  let isDown = false;
  let cuts = 0;
  const server = createServer((client) => {
    if (isDown) return void client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    let cutting = false;
    let outside = false;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', cut).on('close', () => {
        open.delete(socket);
        cut();
      });
    }
    client.on('data', (bytes) => {
      if (armed && (bytes.includes(COMMIT) || (outside && WRITES.test(bytes.toString('latin1'))))) {
        armed = false;
        cutting = true;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (bytes.subarray(-6, -1).equals(READY)) outside = bytes.at(-1) === OUTSIDE;
      if (!cutting) return void client.write(bytes);
      cuts += 1;
      cut();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as AddressInfo).port);
  const cutAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: through.href,
    cutNextCommit: () => (armed = true),
    get cuts() {
      return cuts;
    },
    down: () => {
      isDown = true;
      cutAll();
    },
    up: () => (isDown = false),
    close: async () => {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
