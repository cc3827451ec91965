/**
 * A private Cyrus, IMAP with '/' and no prefix, CalDAV and CardDAV. Passwords are asked of us, over the socket that saslauthd would listen on.
 *
 *     const cyrus = await startCyrus();                 // a string says why there is none here
 *     const account = await cyrus.account({ quotaKb: 64 });
 *     await cyrus.asAdmin(`SETACL ${quoted('user/x@cyrus.test')} y lrs`);
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { issue, makeAuthority } from '../../src/standalone/infra/certificate.js';
import { isRoot, lookUpUser, shortPlace } from '../../src/standalone/infra/places.js';
import { alive, childrenOf, endProcess, freePort, killQuietly, waitUntil } from '../../src/standalone/infra/process.js';
import { debianPrograms } from './debian.js';
import type { TestAccount } from './dovecot.js';
import { kept, privateFolder } from './private.js';
import { quoted, RawImap, type Response } from './raw-imap.js';

const BIN = 'usr/lib/cyrus/bin';
const PROGRAMS = ['master', 'imapd', 'httpd', 'notifyd', 'ctl_cyrusdb'].map((name) => `${BIN}/${name}`);
/** Beyond what a Debian with Dovecot has. */
const LIBRARIES = [
  ...['libcom-err2', 'libgssapi-krb5-2', 'libical3', 'libicu72', 'libjansson4', 'libk5crypto3', 'libkeyutils1'],
  ...['libkrb5-3', 'libkrb5support0', 'libldap-2.5-0', 'libnsl2', 'libpcre3', 'libpq5', 'libsasl2-2'],
  ...['libsqlite3-0', 'libtirpc3', 'libwrap0', 'libxapian30', 'libxml2', 'libuuid1', 'libssl3'],
  ...['libbrotli1', 'libnghttp2-14', 'libshp2', 'libzstd1'],
];
const ADMIN = 'cyrusadmin';
/** A sendmail that never sends: what it is given is kept beside it. Called with -bs it is spoken to in SMTP. */
const SENDMAIL = `#!/bin/sh
f="$(dirname "$0")/mail-out/$(date +%s%N).eml"; cr="$(printf '\\r')"
case " $* " in
*" -bs "*)
  printf '220 test ESMTP\\r\\n'
  while IFS= read -r l; do l="\${l%"$cr"}"
    case "$l" in
      [Ee][Hh]*) printf '250-test\\r\\n250 8BITMIME\\r\\n';;
      [Dd][Aa][Tt][Aa]*) printf '354 go\\r\\n'
        while IFS= read -r m; do m="\${m%"$cr"}"; [ "$m" = . ] && break; echo "$m" >>"$f"; done; printf '250 stored\\r\\n';;
      [Qq][Uu][Ii][Tt]*) printf '221 bye\\r\\n'; exit 0;;
      *) printf '250 ok\\r\\n';;
    esac
  done;;
*) cat >"$f";;
esac
`;

export interface CyrusServer {
  readonly imapPort: number;
  readonly imapsPort: number;
  /** CalDAV and CardDAV over plain HTTP; '{user}' stands for the account. */
  readonly davUrl: string;
  /** What it wanted to send to people: invitations, answers, cancellations. */
  mailOut(): string[];
  readonly admin: { readonly name: string; readonly password: string };
  account(options?: { readonly quotaKb?: number; readonly special?: readonly string[] }): Promise<TestAccount>;
  /** Commands of the administrator; names as 'user/alice@cyrus.test', with /Folder before the @. */
  asAdmin(...commands: readonly string[]): Promise<Response[][]>;
  /** SIGKILL to the sessions of everybody: every connection is cut, the server stays. */
  dropSessions(): void;
  /** SIGKILL to all of it. */
  kill(): Promise<void>;
  /** After kill(): on the same data and ports. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** @param extra more lines for imapd.conf. */
export async function startCyrus(extra: readonly string[] = []): Promise<CyrusServer | string> {
  const programs = debianPrograms({
    name: 'cyrus-dav',
    programs: PROGRAMS,
    packages: ['cyrus-imapd', 'cyrus-common', 'cyrus-caldav', 'libsasl2-modules'],
    libraries: LIBRARIES,
  });
  if (typeof programs === 'string') return programs;
  const owner = isRoot() ? lookUpUser('mail') : { uid: userInfo().uid, gid: userInfo().gid };
  if (owner === null) return 'there is no user mail to run it as';
  const dir = privateFolder();
  const sockets = shortPlace(join(dir, 'run'), 20, 0o755);
  const passwords = new Map<string, string>([[ADMIN, randomBytes(9).toString('hex')]]);
  const saslauthd = join(sockets, 'auth');
  const checker = await passwordChecker(saslauthd, passwords);

  const authority = makeAuthority('Mailferry test Cyrus');
  const identity = issue(authority, { names: ['localhost', '127.0.0.1'] });
  writeFileSync(join(dir, 'server.crt'), identity.cert);
  writeFileSync(join(dir, 'server.key'), identity.key);
  for (const part of [
    'db',
    'log',
    'lock',
    'proc',
    'socket',
    'spool',
    'quota',
    'user',
    'msg',
    'ptclient',
    'sync',
    'sieve',
    'backup',
    'mail-out',
  ])
    mkdirSync(join(dir, part));
  writeFileSync(join(dir, 'sendmail'), SENDMAIL, { mode: 0o755 });
  const [imapPort, imapsPort, httpPort] = [await freePort(), await freePort(), await freePort()];
  const conf = join(dir, 'imapd.conf');
  const services = join(dir, 'cyrus.conf');
  writeFileSync(
    conf,
    [...settings(dir, sockets, saslauthd, isRoot() ? 'mail' : userInfo().username), ...extra, ''].join('\n'),
  );
  const imapd = `${programs.path(`${BIN}/imapd`)} -C ${conf} -U 30`;
  writeFileSync(
    services,
    `START {\n  recover cmd="${programs.path(`${BIN}/ctl_cyrusdb`)} -C ${conf} -r"\n}
SERVICES {
  imap cmd="${imapd}" listen="127.0.0.1:${imapPort}" prefork=1
  imaps cmd="${imapd} -s" listen="127.0.0.1:${imapsPort}" prefork=0
  http cmd="${programs.path(`${BIN}/httpd`)} -C ${conf} -U 30" listen="127.0.0.1:${httpPort}" prefork=1
  notify cmd="${programs.path(`${BIN}/notifyd`)} -C ${conf} -m log" listen="${sockets}/notify" proto="udp" prefork=1
}
EVENTS {\n}\n`,
  );
  if (isRoot()) for (const file of tree(dir, sockets)) chownSync(file, owner.uid, owner.gid);

  const launch = (): ChildProcess => {
    const started = spawn(
      programs.path(`${BIN}/master`),
      ['-C', conf, '-M', services, '-p', join(sockets, 'master.pid'), '-L', join(dir, 'log', 'master.log')],
      {
        cwd: dir,
        detached: true,
        stdio: 'ignore',
        env: { ...process.env, ...programs.env, SASL_PATH: programs.path('usr/lib/x86_64-linux-gnu/sasl2') },
      },
    );
    started.unref();
    return started;
  };
  let master = launch();
  const pid = (): number => master.pid ?? 0;
  const ready = (): Promise<void> =>
    waitUntil(async () => {
      if (master.exitCode !== null || master.signalCode !== null) throw new Error('it ended right after its start');
      return (await answers(imapPort)) && (await listens(httpPort));
    }, 'it does not answer');
  const server: CyrusServer = {
    imapPort,
    imapsPort,
    davUrl: `http://127.0.0.1:${httpPort}/dav/principals/user/{user}/`,
    mailOut: () => readdirSync(join(dir, 'mail-out')).map((file) => readFileSync(join(dir, 'mail-out', file), 'utf8')),
    admin: { name: ADMIN, password: passwords.get(ADMIN)! },
    async account({ quotaKb, special = [] } = {}) {
      const name = `u-${randomBytes(5).toString('hex')}`;
      const user = `${name}@cyrus.test`;
      const password = randomBytes(9).toString('hex');
      passwords.set(user, password);
      await server.asAdmin(
        `CREATE ${quoted(`user/${user}`)}`,
        ...special.map((use) => `CREATE ${quoted(`user/${name}/${use}@cyrus.test`)} (USE (\\${use}))`),
        ...(quotaKb === undefined ? [] : [`SETQUOTA ${quoted(`user/${user}`)} (STORAGE ${quotaKb})`]),
      );
      return { user, password, host: '127.0.0.1', imapPort, imapsPort, ca: authority.cert };
    },
    async asAdmin(...commands) {
      const imap = await RawImap.open(imapPort, ADMIN, passwords.get(ADMIN)!);
      try {
        const answers: Response[][] = [];
        for (const command of commands) answers.push(await imap.command(command));
        return answers;
      } finally {
        await imap.close();
      }
    },
    dropSessions() {
      for (const child of inSession(childrenOf(pid()), imapPort)) killQuietly(child);
    },
    async kill() {
      const all = [pid(), ...childrenOf(pid())];
      for (const one of all) killQuietly(one);
      await waitUntil(async () => all.every((one) => !alive(one)), 'Cyrus survives SIGKILL');
    },
    async restart() {
      master = launch();
      await ready();
    },
    async stop() {
      await endProcess(pid(), 'SIGTERM', 3_000);
      checker.close();
      rmSync(sockets, { recursive: true, force: true });
    },
  };
  kept(server);
  try {
    await waitUntil(async () => {
      if (master.exitCode !== null || master.signalCode !== null) throw new Error('it ended right after its start');
      return (await answers(imapPort)) && (await listens(imapsPort)) && (await listens(httpPort));
    }, 'it does not answer');
    await server.asAdmin('NOOP');
  } catch (error) {
    return `Cyrus does not start: ${(error as Error).message} ${lastOf(join(dir, 'log', 'master.log'))}`;
  }
  return server;
}

function settings(dir: string, sockets: string, saslauthd: string, user: string): string[] {
  return [
    `cyrus_user: ${user}`,
    `configdirectory: ${dir}`,
    `proc_path: ${dir}/proc`,
    `mboxname_lockpath: ${dir}/lock`,
    'defaultpartition: default',
    `partition-default: ${dir}/spool`,
    `sievedir: ${dir}/sieve`,
    `idlesocket: ${sockets}/idle`,
    `notifysocket: ${sockets}/notify`,
    `lmtpsocket: ${sockets}/lmtp`,
    'altnamespace: yes',
    'unixhierarchysep: yes',
    'virtdomains: userid',
    'defaultdomain: internal.test',
    `admins: ${ADMIN}`,
    `proxyservers: ${ADMIN}`,
    'servername: mail.cyrus.test',
    'allowplaintext: yes',
    'sasl_pwcheck_method: saslauthd',
    `sasl_saslauthd_path: ${saslauthd}`,
    'sasl_mech_list: PLAIN',
    'sasl_minimum_layer: 0',
    `tls_server_cert: ${dir}/server.crt`,
    `tls_server_key: ${dir}/server.key`,
    'tls_session_timeout: 0',
    'autocreate_quota: -1',
    'maxlogins_per_user: 0',
    'maxmessagesize: 52428800',
    'httpmodules: caldav carddav',
    'caldav_create_default: yes',
    'caldav_create_sched: yes',
    'calendar_user_address_set: cyrus.test',
    'caldav_realm: test',
    `sendmail: ${dir}/sendmail`,
  ];
}

/** Those that serve somebody. Cyrus takes a service out of use when too many that wait for work die. */
function inSession(pids: readonly number[], port: number): number[] {
  const ESTABLISHED = '01';
  const sockets = new Set(
    readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local = '', , state]) => state === ESTABLISHED && parseInt(local.split(':')[1] ?? '', 16) === port)
      .map((columns) => `socket:[${columns[9]}]`),
  );
  const holds = (pid: number, fd: string): boolean => {
    try {
      return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  };
  return pids.filter((pid) => ['0', '1', '2', '3', '4'].some((fd) => holds(pid, fd)));
}

/** saslauthd's protocol: login, password, service and realm, each after its length in two bytes; OK or NO the same way. */
async function passwordChecker(path: string, passwords: ReadonlyMap<string, string>): Promise<Server> {
  const server = createServer((socket) => {
    let got = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      got = Buffer.concat([got, bytes]);
      const words: string[] = [];
      let at = 0;
      while (words.length < 4 && got.length >= at + 2 && got.length >= at + 2 + got.readUInt16BE(at)) {
        const end = at + 2 + got.readUInt16BE(at);
        words.push(got.toString('utf8', at + 2, end));
        at = end;
      }
      if (words.length < 4) return;
      const [login = '', password, , realm = ''] = words;
      const known = passwords.get(login) ?? passwords.get(`${login}@${realm}`);
      const answer = Buffer.from(known !== undefined && known === password ? '..OK' : '..NO');
      answer.writeUInt16BE(2, 0);
      socket.end(answer);
    });
  });
  await new Promise<void>((done) => server.listen({ path, writableAll: true, readableAll: true }, done));
  server.unref();
  return server;
}

function tree(...dirs: readonly string[]): string[] {
  const parts = [
    '',
    'imapd.conf',
    'cyrus.conf',
    'server.crt',
    'server.key',
    'db',
    'log',
    'lock',
    'proc',
    'socket',
    'spool',
  ];
  const more = ['sendmail', 'mail-out', 'quota', 'user', 'msg', 'ptclient', 'sync', 'sieve', 'backup'];
  return [...[...parts, ...more].map((part) => join(dirs[0]!, part)), ...dirs.slice(1)];
}

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => finish(true));
    const finish = (up: boolean): void => {
      socket.destroy();
      done(up);
    };
    socket.once('error', () => finish(false));
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const finish = (up: boolean): void => {
      socket.destroy();
      done(up);
    };
    socket.once('data', () => finish(true));
    socket.once('error', () => finish(false));
    socket.setTimeout(1_000, () => finish(false));
  });
}

function lastOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '';
  } catch {
    return '';
  }
}
