/**
 * Stands between the product and a real IMAP server (in the clear, on loopback) and lets go wrong what a test wants to go wrong.
 *
 *     const proxy = await imapProxy(account.imapPort, { hide: ['UIDPLUS'] });
 *     proxy.rule = ({ name, nth }) => (name === 'APPEND' && nth === 2 ? { do: 'drop-reply' } : null);
 *     proxy.wire.push({ way: 'down', at: 1_000, kind: 'cut' });       // once, after so many bytes of all sessions
 *     proxy.count('APPEND');                                          // commands that clients sent
 *     await proxy.close();
 *
 * It understands just enough to tell lines from literals and commands from each other.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { endOfSpeech, Pieces, type Piece } from './imap-pieces.js';

export interface SeenCommand {
  /** Upper case; UID commands with the second word. */
  readonly name: string;
  /** Which of this name since the proxy began, from 1. */
  readonly nth: number;
  /** What follows the tag. */
  readonly line: string;
}

/** What becomes of one command. */
export type Ruling =
  /** The server never hears of it; the client gets this answer, e.g. 'NO [INUSE] Try later'. */
  | { readonly do: 'answer'; readonly text: string }
  /** The same, with '* BYE ...' and a cut. */
  | { readonly do: 'bye'; readonly text: string }
  /** The server does it and the client never learns: cut in place of the tagged answer. */
  | { readonly do: 'drop-reply' }
  /** The server does it, and these words take the place of what follows the tag. */
  | { readonly do: 'reword'; readonly reword: (answer: string) => string }
  /** The tagged answer, or the '+' that lets a literal come, waits for the promise. */
  | { readonly do: 'hold'; readonly what: 'reply' | 'go-ahead'; readonly until: Promise<unknown> }
  /** The client is cut when it has sent the whole command; the server gets it so much later (ms). */
  | { readonly do: 'land-late'; readonly ms: number };
export type Rule = (command: SeenCommand) => Ruling | null;

/** Happens once, at the byte `at` of everything that passed this way (counted over all sessions). */
export type WireFault = { readonly way: 'up' | 'down'; readonly at: number } & (
  | { readonly kind: 'cut' }
  | { readonly kind: 'stall'; readonly ms: number }
  /** The next `bytes` one by one, each after `ms`. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly ms: number }
  /** The next line from the server begins with rubbish. Literals are left alone: only TLS can vouch for them. */
  | { readonly kind: 'garble' }
);

export interface ProxyOptions {
  /** Capabilities the client does not see. Without UIDPLUS the server tells no APPENDUID either. */
  readonly hide?: readonly string[];
  /** Another greeting; null: the server's. Asked for every connection, counted from 1. */
  readonly greeting?: (session: number) => string | null;
}

export class ImapProxy {
  rule: Rule = () => null;
  /** Faults to come; one that has happened is taken out. */
  readonly wire: WireFault[] = [];
  readonly passed = { up: 0, down: 0 };
  /** What has happened, for the log of a test. */
  readonly happened: string[] = [];
  /** Messages that went up in APPENDs. */
  appended = 0;
  private readonly counts = new Map<string, number>();
  private readonly sessions = new Set<ProxySession>();
  private readonly late = new Set<Promise<void>>();
  private opened = 0;
  private readonly server = createServer({ noDelay: true }, (socket) => {
    const session = new ProxySession(this, socket, ++this.opened);
    this.sessions.add(session);
    void session.run().finally(() => this.sessions.delete(session));
  });

  constructor(
    readonly target: number,
    readonly options: ProxyOptions,
  ) {}

  async listen(): Promise<this> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  count(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** No more faults from here on. */
  calm(): void {
    this.rule = () => null;
    this.wire.length = 0;
  }

  cutAll(): void {
    for (const session of this.sessions) session.cut();
  }

  /** When everything that lands late has landed. */
  async landed(): Promise<void> {
    await Promise.all(this.late);
  }

  async close(): Promise<void> {
    this.server.close();
    this.cutAll();
    await this.landed();
  }

  /** @internal */
  seen(line: string): SeenCommand {
    const [, first = '', second = ''] = /^(\S+)(?: (\S+))?/.exec(line) ?? [];
    const name = (first.toUpperCase() === 'UID' ? `UID ${second}` : first).toUpperCase();
    const nth = this.count(name) + 1;
    this.counts.set(name, nth);
    return { name, nth, line };
  }

  /** @internal */
  landsLate(landing: Promise<void>): void {
    this.late.add(landing);
    void landing.finally(() => this.late.delete(landing));
  }
}

export function imapProxy(target: number, options: ProxyOptions = {}): Promise<ImapProxy> {
  return new ImapProxy(target, options).listen();
}

interface Pending {
  readonly tag: string;
  readonly command: SeenCommand;
  readonly ruling: Ruling | null;
  /** The whole command, where it must not go on by itself. */
  kept: Buffer[] | null;
}

class ProxySession {
  private readonly server: Socket;
  private readonly pending = new Map<string, Pending>();
  private current: Pending | null = null;

  constructor(
    private readonly proxy: ImapProxy,
    private readonly client: Socket,
    private readonly number: number,
  ) {
    this.server = connect({ host: '127.0.0.1', port: proxy.target, noDelay: true });
    for (const socket of [this.client, this.server]) socket.on('error', () => this.cut());
  }

  cut(): void {
    this.client.destroy();
    this.server.destroy();
  }

  async run(): Promise<void> {
    await Promise.allSettled([this.up(), this.down()]);
    this.cut();
  }

  private async up(): Promise<void> {
    const pieces = new Pieces(true);
    for await (const chunk of this.client) {
      for (const piece of pieces.take(chunk as Buffer)) await this.fromClient(piece);
    }
    this.server.end();
  }

  private async fromClient(piece: Piece): Promise<void> {
    if (piece.is === 'line' && this.current === null && !this.inSignIn()) this.begin(piece.text);
    const current = this.current;
    const text = piece.is === 'line' ? piece.text : '';
    const ends = piece.is === 'line' && piece.literal === null;
    if (current?.command.name === 'APPEND' && piece.is === 'line' && piece.literal !== null) this.proxy.appended++;
    if (current?.kept) {
      current.kept.push(
        piece.is === 'line' ? Buffer.from(text.replace(/\{(\d+)\}\r\n$/, '{$1+}\r\n'), 'latin1') : piece.bytes,
      );
      const waits = piece.is === 'line' && piece.literal?.waits === true;
      if (waits && current.ruling?.do === 'land-late') this.client.write('+ go ahead\r\n');
      else if (waits || ends) await this.instead(current);
    } else await this.pass('up', this.server, piece);
    if (ends) this.current = null;
  }

  private begin(text: string): void {
    const [, tag = '', line = ''] = /^(\S+) (.*?)\r?\n$/s.exec(text) ?? [];
    const command = this.proxy.seen(line);
    const ruling = this.proxy.rule(command);
    if (ruling !== null) this.proxy.happened.push(`${ruling.do} at ${command.name} ${command.nth}`);
    const keeps = ruling !== null && ['answer', 'bye', 'land-late'].includes(ruling.do);
    this.current = { tag, command, ruling, kept: keeps ? [] : null };
    if (!keeps) this.pending.set(tag, this.current);
  }

  /** The client's part of a SASL exchange is no command. */
  private inSignIn(): boolean {
    return [...this.pending.values()].some(({ command }) => command.name === 'AUTHENTICATE');
  }

  private async instead({ tag, ruling, kept }: Pending): Promise<void> {
    this.current = null;
    if (ruling?.do === 'answer') this.client.write(`${tag} ${ruling.text}\r\n`);
    else if (ruling?.do === 'bye') {
      this.client.end(`* BYE ${ruling.text}\r\n`);
      this.server.destroy();
    } else if (ruling?.do === 'land-late') {
      this.client.destroy();
      const landing = this.land(tag, Buffer.concat(kept ?? []), ruling.ms);
      this.proxy.landsLate(landing);
      await landing;
    }
  }

  private async land(tag: string, command: Buffer, ms: number): Promise<void> {
    await sleep(ms);
    if (this.server.destroyed) return;
    this.pending.set(tag, { tag, command: { name: 'LATE', nth: 0, line: '' }, ruling: null, kept: null });
    this.server.write(command);
    while (this.pending.has(tag) && !this.server.destroyed) await sleep(5);
    this.server.destroy();
  }

  private async down(): Promise<void> {
    const pieces = new Pieces(false);
    let greeted = false;
    for await (const chunk of this.server) {
      for (const piece of pieces.take(chunk as Buffer)) {
        const other = greeted ? null : (this.proxy.options.greeting?.(this.number) ?? null);
        greeted = true;
        if (other !== null) {
          this.client.end(other);
          return this.cutLater();
        }
        await this.fromServer(piece);
      }
    }
    this.client.end();
  }

  private async cutLater(): Promise<void> {
    await sleep(50);
    this.cut();
  }

  private async fromServer(piece: Piece): Promise<void> {
    if (piece.is === 'bytes') return this.pass('down', this.client, piece);
    const held = this.goesAhead(piece.text);
    if (held !== null) await held;
    const done = this.pending.get(/^(\S+) /.exec(piece.text)?.[1] ?? '');
    if (done === undefined) return this.pass('down', this.client, { ...piece, text: this.hidden(piece.text) });
    const { ruling, tag } = done;
    this.pending.delete(tag);
    if (ruling?.do === 'drop-reply') return this.cut();
    if (ruling?.do === 'hold' && ruling.what === 'reply') await ruling.until;
    let text = this.hidden(piece.text);
    if (ruling?.do === 'reword') text = `${tag} ${ruling.reword(text.slice(tag.length + 1).trimEnd())}\r\n`;
    await this.pass('down', this.client, { ...piece, text });
  }

  private goesAhead(text: string): Promise<unknown> | null {
    const ruling = this.current?.ruling;
    return text.startsWith('+') && ruling?.do === 'hold' && ruling.what === 'go-ahead' ? ruling.until : null;
  }

  private hidden(text: string): string {
    const hide = this.proxy.options.hide ?? [];
    if (hide.length === 0 || !/CAPABILITY|APPENDUID|COPYUID/.test(text)) return text;
    const seen = hide.reduce(
      (left, name) => left.replaceAll(new RegExp(` ${name.replace('+', '\\+')}(?=[ \\]\\r])`, 'g'), ''),
      text,
    );
    return hide.includes('UIDPLUS') ? seen.replace(/\[(APPENDUID|COPYUID) [^\]]*\] ?/, '') : seen;
  }

  private async pass(way: 'up' | 'down', to: Socket, piece: Piece): Promise<void> {
    let bytes = piece.is === 'line' ? Buffer.from(piece.text, 'latin1') : piece.bytes;
    const { proxy } = this;
    for (;;) {
      const due = (one: WireFault): boolean => one.way === way && proxy.passed[way] + bytes.length > one.at;
      const fault = proxy.wire.find((one) => due(one) && (one.kind !== 'garble' || endOfSpeech(piece)));
      if (fault === undefined) return this.write(way, to, bytes);
      proxy.wire.splice(proxy.wire.indexOf(fault), 1);
      proxy.happened.push(`${fault.kind} ${way} at ${fault.at}`);
      if (fault.kind === 'garble') {
        bytes = Buffer.concat([Buffer.from('\x00%{(\xff '), bytes.subarray(Math.min(3, bytes.length - 2))]);
        continue;
      }
      const before = Math.max(0, fault.at - proxy.passed[way]);
      await this.write(way, to, bytes.subarray(0, before));
      bytes = bytes.subarray(before);
      if (fault.kind === 'cut') {
        this.cut();
        throw new Error('cut');
      }
      if (fault.kind === 'stall') await sleep(fault.ms);
      if (fault.kind === 'drip') {
        const slow = bytes.subarray(0, fault.bytes);
        for (let i = 0; i < slow.length; i++) {
          await this.write(way, to, slow.subarray(i, i + 1));
          await sleep(fault.ms);
        }
        bytes = bytes.subarray(slow.length);
      }
    }
  }

  private async write(way: 'up' | 'down', to: Socket, bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    this.proxy.passed[way] += bytes.length;
    if (to.destroyed) throw new Error('the other side has gone');
    if (to.write(bytes)) return;
    await new Promise<void>((done) => {
      const on = (): void => {
        to.off('drain', on);
        to.off('close', on);
        done();
      };
      to.on('drain', on);
      to.on('close', on);
    });
  }
}
