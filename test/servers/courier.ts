/**
 * A private Courier IMAP: the awkward old server. Its imapd is Courier's own; the sign-in, which Courier leaves to other
 * programs, is ours: greeting, TLS, LOGIN and AUTHENTICATE PLAIN, then the socket is imapd's.
 *
 *     const courier = await startCourier();             // a string says why there is none here
 *     const account = courier.account({ quota: '64000S' });
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { issue, makeAuthority } from '../../src/standalone/infra/certificate.js';
import { isRoot, lookUpUser } from '../../src/standalone/infra/places.js';
import { debianPrograms } from './debian.js';
import type { TestAccount } from './dovecot.js';
import { kept, privateFolder } from './private.js';

const IMAPD = 'usr/bin/imapd';
const WANTED = {
  name: 'courier',
  programs: [IMAPD],
  packages: ['courier-imap'],
  libraries: ['courier-authlib', 'libcourier-unicode4', 'libgamin0', 'libgdbm6', 'libidn12'],
};
/** Debian's own choice, with keywords and ACLs as its configuration has them. */
const CAPABILITIES = 'IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE';
const SETTINGS = {
  PROTOCOL: 'IMAP',
  MAILDIR: 'Maildir',
  OPTIONS: '',
  TCPREMOTEIP: '127.0.0.1',
  TCPREMOTEPORT: '1',
  IMAP_CAPABILITY: CAPABILITIES,
  IMAP_KEYWORDS: '1',
  IMAP_ACL: '1',
  // Locks are watched for through a FAM daemon; where only its library is, each would wait for it in vain.
  IMAP_USELOCKS: '0',
  IMAP_CHECK_ALL_FOLDERS: '0',
  IMAP_OBSOLETE_CLIENT: '0',
  IMAP_ENHANCEDIDLE: '0',
  IMAP_TRASHFOLDERNAME: 'Trash',
  IMAP_UMASK: '022',
};

export interface CourierServer {
  readonly imapPort: number;
  readonly imapsPort: number;
  /** A new account. @param options.quota as maildirsize has it: '65536S', '10C'. */
  account(options?: { readonly quota?: string }): TestAccount;
  /** The account's Maildir, for what only a delivery agent does. */
  maildir(account: TestAccount): string;
  stop(): Promise<void>;
}

export async function startCourier(): Promise<CourierServer | string> {
  const programs = debianPrograms(WANTED);
  if (typeof programs === 'string') return programs;
  const dir = privateFolder();
  const owner = isRoot() ? lookUpUser('mail') : null;
  const passwords = new Map<string, string>();
  const children = new Set<ChildProcess>();
  const homeOf = (user: string): string => join(dir, user);

  const imapd = (socket: Socket, tag: string, user: string): void => {
    const child = spawn(programs.path(IMAPD), ['Maildir'], {
      cwd: homeOf(user),
      env: { ...programs.env, ...SETTINGS, IMAPLOGINTAG: tag, AUTHENTICATED: user, AUTHADDR: user, HOME: homeOf(user) },
      stdio: ['pipe', 'pipe', 'ignore'],
      ...(owner ?? {}),
    });
    children.add(child);
    child.once('exit', () => {
      children.delete(child);
      socket.end();
    });
    child.stdin.on('error', () => undefined);
    socket.once('close', () => child.stdin.end());
    child.stdout.pipe(socket);
    socket.pipe(child.stdin);
  };
  const serve = (socket: Socket): void => {
    socket.setNoDelay(true);
    signIn(socket, passwords, imapd);
  };

  const authority = makeAuthority('Mailferry test Courier');
  const identity = issue(authority, { names: ['localhost', '127.0.0.1'] });
  const plain = createTcpServer(serve);
  const secure = createTlsServer(identity, serve);
  const [imapPort, imapsPort] = await Promise.all([listening(plain), listening(secure)]);

  return kept({
    imapPort,
    imapsPort,
    account({ quota } = {}) {
      const user = `u-${randomBytes(5).toString('hex')}@courier.test`;
      const password = randomBytes(9).toString('base64');
      const made = [homeOf(user), ...['', 'cur', 'new', 'tmp'].map((part) => join(homeOf(user), 'Maildir', part))];
      for (const one of made) mkdirSync(one, { recursive: true });
      const files = quota === undefined ? [] : [join(homeOf(user), 'Maildir', 'maildirsize')];
      for (const file of files) writeFileSync(file, `${quota}\n`);
      if (owner) for (const one of [...made, ...files]) chownSync(one, owner.uid, owner.gid);
      passwords.set(user, password);
      return { user, password, host: '127.0.0.1', imapPort, imapsPort, ca: authority.cert };
    },
    maildir: ({ user }) => join(homeOf(user), 'Maildir'),
    async stop() {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all([plain, secure].map((server) => new Promise((done) => server.close(done))));
    },
  });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

/** As imaplogin does it; whatever else is asked before the sign-in is refused. */
function signIn(
  socket: Socket,
  passwords: ReadonlyMap<string, string>,
  enter: (socket: Socket, tag: string, user: string) => void,
): void {
  let pending = Buffer.alloc(0);
  let plainTag: string | null = null;
  const say = (line: string): boolean => socket.write(`${line}\r\n`);
  const decide = (tag: string, user: string, password: string): void => {
    if (passwords.get(user) !== password) return void say(`${tag} NO Login failed.`);
    socket.off('data', onData);
    socket.pause();
    if (pending.length > 0) socket.unshift(pending);
    enter(socket, tag, user);
  };
  const plain = (tag: string, base64: string): void => {
    const [, user = '', password = ''] = Buffer.from(base64, 'base64').toString().split('\0');
    decide(tag, user, password);
  };
  const onLine = (line: string): void => {
    if (plainTag !== null) {
      const tag = plainTag;
      plainTag = null;
      return plain(tag, line);
    }
    const [tag = '*', verb = '', ...rest] = line.split(' ');
    const [first = '', second = ''] = rest.map((word) => word.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1'));
    switch (verb.toUpperCase()) {
      case 'CAPABILITY':
        say(`* CAPABILITY ${CAPABILITIES} AUTH=PLAIN`);
        return void say(`${tag} OK CAPABILITY completed`);
      case 'LOGIN':
        return decide(tag, first, second);
      case 'AUTHENTICATE':
        if (second !== '') return plain(tag, second);
        plainTag = tag;
        return void say('+ ');
      case 'LOGOUT':
        say('* BYE Courier-IMAP server shutting down');
        say(`${tag} OK LOGOUT completed`);
        return void socket.end();
      default:
        say(verb.toUpperCase() === 'NOOP' ? `${tag} OK NOOP completed` : `${tag} NO Error in IMAP command`);
    }
  };
  const onData = (bytes: Buffer): void => {
    pending = Buffer.concat([pending, bytes]);
    for (
      let end = pending.indexOf('\r\n');
      end >= 0 && socket.listeners('data').includes(onData);
      end = pending.indexOf('\r\n')
    ) {
      const line = pending.toString('latin1', 0, end);
      pending = pending.subarray(end + 2);
      onLine(line);
    }
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', onData);
  say(`* OK [CAPABILITY ${CAPABILITIES} AUTH=PLAIN] Courier-IMAP ready.`);
}
