/**
 * An Exchange server as far as reading a mailbox goes, over HTTP or HTTPS on the loopback. Honest in what makes clients
 * fail: it checks requests and its own answers against the schemas, pages, cuts, throttles and breaks. What it does is what
 * the protocol documents and recorded answers say; no Exchange was asked.
 *
 *     const server = await startEws();
 *     const box = server.mailbox('anna@old.test', 'secret');
 *     ... server.url ...
 *     await server.close();             // throws for invalid XML in either direction and for who did not wait
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { childrenNamed, parseXml, type XmlElement } from '../../../src/protocols/xml.js';
import type { Certificate } from '../../fixtures/certificates.js';
import { type Autodiscovered, autodiscoverPox, autodiscoverSoap } from './autodiscover.js';
import { Answering } from './answering.js';
import { type Asked, BackOffs, type FaultPlan } from './faults.js';
import { goWrong } from './go-wrong.js';
import { EwsError, OPERATIONS, type Part } from './operations.js';
import { complaints, bodyOf, SchemaLog } from './schema.js';
import { Mailbox } from './store.js';

/** EWSMaxConcurrency of the default policy. */
const MOST_AT_ONCE = 27;
const LIMITS = { maxBytes: 4 * 1024 * 1024, maxDepth: 60, maxElements: 200_000 };

export interface EwsUser {
  /** All the names it signs in by, in any case. */
  readonly names: readonly string[];
  readonly password: string;
  readonly token: string;
  readonly mailbox: Mailbox | null;
  /** May open these by impersonation. */
  readonly impersonates: Set<string>;
  /** Has full access to these. */
  readonly delegate: Set<string>;
}

export interface EwsOptions {
  readonly tls?: Certificate;
  readonly port?: number;
  /** Before each answer (ms). */
  readonly latencyMs?: number;
  readonly path?: string;
  /** Requests that are not as the schema says are refused at once, which costs a second for each shape. */
  readonly strict?: boolean;
}

export interface EwsServer {
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  /** Makes a user with a mailbox. */
  mailbox(address: string, password: string, names?: readonly string[]): Mailbox;
  user(name: string): EwsUser;
  /** Somebody without a mailbox who may impersonate these. */
  admin(name: string, password: string, mailboxes: readonly string[]): EwsUser;
  faults: FaultPlan;
  latencyMs: number;
  /** True: some pages are shorter than asked. */
  shortPages: boolean;
  /** False: no Basic, only what `offers` says. */
  basic: boolean;
  /** What a refusal names where there is no Basic. */
  offers: readonly string[];
  /** False: the mailbox named by the request is ignored: always this one. */
  answersFor: Mailbox | null;
  readonly autodiscover: Autodiscovered;
  /** What came, in order, without bodies. */
  readonly requests: readonly (Asked & { readonly headers: IncomingMessage['headers'] })[];
  readonly refused: readonly string[];
  /** Paths of Autodiscover that were asked. */
  readonly asked: readonly string[];
  readonly schemas: SchemaLog;
  readonly backOffs: BackOffs;
  most(): number;
  /** Answers with status 401. */
  readonly unauthorized: number;
  /** Requests that came with a right login, to whatever address. */
  readonly signedIn: number;
  /** Ends the server. @throws Error when something said was not as it should be. */
  close(): Promise<void>;
}

export async function startEws(options: EwsOptions = {}): Promise<EwsServer> {
  const server = new TestEws(options);
  await server.listen();
  return server;
}

class TestEws implements EwsServer {
  faults: FaultPlan = () => null;
  latencyMs: number;
  shortPages = false;
  basic = true;
  offers: readonly string[] = ['Negotiate', 'NTLM'];
  answersFor: Mailbox | null = null;
  readonly requests: (Asked & { headers: IncomingMessage['headers'] })[] = [];
  readonly refused: string[] = [];
  readonly asked: string[] = [];
  readonly schemas = new SchemaLog();
  private readonly answering = new Answering(this.schemas);
  readonly backOffs = new BackOffs();
  readonly autodiscover: Autodiscovered = {
    ewsUrl: null,
    redirectUrl: null,
    redirectAddress: null,
    error: null,
    pox: true,
  };
  private readonly users: EwsUser[] = [];
  private readonly mailboxes = new Map<string, Mailbox>();
  private readonly sockets = new Set<Socket>();
  private readonly http: Server;
  private readonly path: string;
  unauthorized = 0;
  signedIn = 0;
  private atOnce = 0;
  private mostAtOnce = 0;
  private pages = 0;
  private readonly good = new Map<string, Promise<boolean>>();

  constructor(private readonly options: EwsOptions) {
    this.latencyMs = options.latencyMs ?? 0;
    this.path = options.path ?? '/EWS/Exchange.asmx';
    const listener: RequestListener = (request, response) => {
      this.serve(request, response).catch((error: unknown) => {
        this.refused.push(`the server itself: ${String((error as Error).stack ?? error)}`);
        response.destroy();
      });
    };
    const { tls } = options;
    this.http =
      tls === undefined ? createServer(listener) : createTlsServer({ cert: tls.cert, key: tls.key }, listener);
    this.http.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.http.on('tlsClientError', () => undefined);
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.http.listen(this.options.port ?? 0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }
  get origin(): string {
    return this.options.tls === undefined ? `http://127.0.0.1:${this.port}` : `https://localhost:${this.port}`;
  }
  get url(): string {
    return `${this.origin}${this.path}`;
  }

  mailbox(address: string, password: string, names: readonly string[] = []): Mailbox {
    const mailbox = new Mailbox(address);
    this.mailboxes.set(address.toLowerCase(), mailbox);
    this.users.push(this.person([address, ...names], password, mailbox));
    return mailbox;
  }

  admin(name: string, password: string, mailboxes: readonly string[]): EwsUser {
    const user = this.person([name], password, null);
    for (const one of mailboxes) user.impersonates.add(one.toLowerCase());
    this.users.push(user);
    return user;
  }

  user(name: string): EwsUser {
    const found = this.users.find(({ names }) => names.some((one) => one.toLowerCase() === name.toLowerCase()));
    if (found === undefined) throw new Error(`no user ${name}`);
    return found;
  }

  private person(names: readonly string[], password: string, mailbox: Mailbox | null): EwsUser {
    const token = randomBytes(18).toString('base64url');
    return { names, password, token, mailbox, impersonates: new Set(), delegate: new Set() };
  }

  most(): number {
    return this.mostAtOnce;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
    const wrong = [...(await this.schemas.verdict()), ...this.refused, ...this.backOffs.early];
    if (wrong.length > 0) throw new Error(`the EWS server has something to say:\n${wrong.slice(0, 10).join('\n')}`);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrived = Date.now();
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (path.toLowerCase().startsWith('/autodiscover/')) {
      this.asked.push(path);
      if (path.endsWith('.xml') && !this.autodiscover.pox) return this.answering.page(response, 404);
      const user = this.signIn(request);
      if (user === null) return this.challenge(response);
      const xml = path.toLowerCase().endsWith('.svc')
        ? autodiscoverSoap(this.autodiscover, this.url)
        : autodiscoverPox(this.autodiscover, this.url);
      return this.answering.send(response, 200, [xml]);
    }
    if (path.toLowerCase() !== this.path.toLowerCase()) return this.answering.page(response, 404);
    const user = this.signIn(request);
    // A GET without a login is refused as every other is: that is how clients tell that EWS is there.
    if (user === null) return this.challenge(response);
    if (request.method !== 'POST') return this.answering.page(response, 200);
    const crowded = ++this.atOnce > MOST_AT_ONCE;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    try {
      if (this.latencyMs > 0) await pause(this.latencyMs);
      await this.answer(request, response, user, body, { arrived, crowded });
    } finally {
      this.atOnce--;
    }
  }

  private signIn({ headers }: IncomingMessage): EwsUser | null {
    const authorization = headers.authorization ?? '';
    const bearer = /^Bearer (.+)$/.exec(authorization)?.[1];
    if (bearer !== undefined) return this.known(({ token }) => token === bearer);
    const basic = /^Basic (.+)$/.exec(authorization)?.[1];
    if (basic === undefined || !this.basic) return null;
    const [, name = '', password = ''] = /^([^:]*):([\s\S]*)$/.exec(Buffer.from(basic, 'base64').toString()) ?? [];
    const is = (one: string): boolean => one.toLowerCase() === name.toLowerCase();
    return this.known((user) => user.names.some(is) && user.password === password);
  }

  private known(is: (user: EwsUser) => boolean): EwsUser | null {
    const user = this.users.find(is) ?? null;
    if (user !== null) this.signedIn++;
    return user;
  }

  private challenge(response: ServerResponse): void {
    this.unauthorized++;
    const offered = this.basic ? ['Basic realm="old.test"', 'Bearer'] : this.offers;
    response.writeHead(401, { 'www-authenticate': [...offered], 'content-length': 0 }).end();
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    user: EwsUser,
    body: Buffer,
    { arrived, crowded }: { readonly arrived: number; readonly crowded: boolean },
  ): Promise<void> {
    const text = body.toString('utf8');
    if (!/^text\/xml/i.test(request.headers['content-type'] ?? '')) return this.answering.page(response, 415);
    const { asked, envelope } = parsed(text);
    const operation = asked?.name ?? '';
    if (asked === null || !Object.hasOwn(OPERATIONS, operation))
      return this.answering.fault(response, 'ErrorInvalidRequest', 'The request is invalid.');
    if (!(await this.isGood(operation, text)))
      return this.answering.fault(response, 'ErrorSchemaValidation', 'The request failed schema validation.');
    const opened = this.opened(user, envelope, request);
    if (typeof opened === 'string')
      return this.answering.fault(response, opened, 'The account does not have permission.');
    const items = childrenNamed(asked, 'ItemIds')[0]?.children.length ?? 0;
    const told: Asked = {
      operation,
      user: user.names[0]!,
      mailbox: opened.address,
      nth: this.requests.length + 1,
      items,
    };
    this.requests.push({ ...told, headers: request.headers });
    this.backOffs.came(opened.address, operation, arrived);
    const fault = this.faults(told);
    if (fault !== null)
      return goWrong(fault, response, operation, asked, opened, {
        answering: this.answering,
        backOffs: this.backOffs,
        right: () => this.answerOf(operation, asked, opened, user),
        challenge: (one) => this.challenge(one),
      });
    if (crowded)
      return this.answering.fault(
        response,
        'ErrorExceededConnectionCount',
        'You have exceeded the available concurrent connections.',
      );
    const parts = this.answerOf(operation, asked, opened, user);
    if (parts instanceof EwsError) return this.answering.fault(response, parts.code, parts.text);
    return this.answering.send(response, 200, this.answering.enveloped(parts), operation);
  }

  private answerOf(operation: string, asked: XmlElement, mailbox: Mailbox, user: EwsUser): Part[] | EwsError {
    try {
      return OPERATIONS[operation]!(asked, {
        mailbox,
        open: (address) => {
          const other = this.mailboxes.get(address.toLowerCase());
          if (other === undefined) return null;
          return other === mailbox || user.delegate.has(address.toLowerCase()) ? other : undefined;
        },
        holding: (id) =>
          [...this.mailboxes.values()].find(
            (one) => one.holds(id) && (one === mailbox || user.delegate.has(one.address.toLowerCase())),
          ) ?? null,
        pageSize: (wanted) => {
          if (!this.shortPages || wanted < 2) return wanted;
          return ++this.pages % 2 === 0 ? wanted : Math.max(1, Math.floor(wanted / 3));
        },
      });
    } catch (error) {
      if (error instanceof EwsError) return error;
      throw error;
    }
  }

  /** Which mailbox, or why not. */
  private opened(user: EwsUser, envelope: XmlElement, request: IncomingMessage): Mailbox | string {
    if (this.answersFor !== null) return this.answersFor;
    const header = childrenNamed(envelope, 'Header')[0];
    const impersonation = header === undefined ? undefined : childrenNamed(header, 'ExchangeImpersonation')[0];
    if (impersonation === undefined) return user.mailbox ?? 'ErrorNonExistentMailbox';
    const address = (impersonation.children[0]?.children[0]?.text ?? '').trim().toLowerCase();
    if (!user.impersonates.has(address)) return 'ErrorImpersonateUserDenied';
    if (String(request.headers['x-anchormailbox'] ?? '').toLowerCase() !== address)
      this.refused.push('impersonation without X-AnchorMailbox');
    return this.mailboxes.get(address) ?? 'ErrorNonExistentMailbox';
  }

  private async isGood(operation: string, text: string): Promise<boolean> {
    if (this.options.strict !== true) {
      this.schemas.add(`request ${operation}`, text);
      return true;
    }
    const body = bodyOf(text) ?? '';
    const shape = body.replace(/"[^"]*[A-Za-z0-9+/=]{24,}"/g, '#');
    const known = this.good.get(shape) ?? complaints([body]).then(([wrong = []]) => wrong.length === 0);
    this.good.set(shape, known);
    return known;
  }
}

function parsed(text: string): { asked: XmlElement | null; envelope: XmlElement } {
  const envelope = parseXml(Buffer.from(text), LIMITS);
  const body = childrenNamed(envelope, 'Body')[0];
  return { asked: body?.children[0] ?? null, envelope };
}
