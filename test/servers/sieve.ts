/**
 * A private Dovecot with Pigeonhole: scripts act on delivery, and with `imapSieve` on APPEND as well. What they send goes to an SMTP
 * server of the test.
 *
 *     const server = await startSieve({ smtpPort, imapSieve: true });      // a string says why there is none here
 *     server.activate(account, 'redirect "else@where.test";');
 *     await server.deliver(account, message);                               // as mail that comes in
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { mailOwner } from '../../src/standalone/infra/dovecot-accounts.js';
import { findDovecot } from '../../src/standalone/infra/dovecot-programs.js';
import type { DovecotServer } from '../../src/standalone/infra/dovecot.js';
import { isRoot } from '../../src/standalone/infra/places.js';
import { libraryPath } from '../../src/standalone/infra/tools.js';
import { unpacked } from './debian.js';
import { accountOn, type TestAccount } from './dovecot.js';
import { PRIVATE_MASTER, privateDovecot, privateFolder } from './private.js';
import { RawImap } from './raw-imap.js';

/** Of all that comes in. */
const SENDER = 'friend@where.test';
/** A second one who opens every mailbox, and no scripts run for him. */
export const QUIET_MASTER = { name: 'quiet', password: PRIVATE_MASTER.password };
const LIBRARIES = 'usr/lib/dovecot';
const MODULES = `${LIBRARIES}/modules`;

export interface SieveServer extends DovecotServer {
  /** Makes it the account's script. */
  activate(account: TestAccount, script: string): void;
  /** By Dovecot's own delivery agent, as a mail that comes in. */
  deliver(account: TestAccount, message: string): Promise<void>;
}
export interface SieveWishes {
  readonly smtpPort: number;
  /** Run at every APPEND into every folder. */
  readonly onAppend?: string;
}

export async function startSieve({ smtpPort, onAppend }: SieveWishes): Promise<SieveServer | string> {
  const programs = findDovecot(() => undefined);
  const tree = unpacked('test-sieve', ['dovecot-sieve']);
  if ('error' in tree) return tree.error;
  const modules = privateFolder();
  const own = programs.unpacked ?? '/';
  for (const from of [join(own, MODULES), join(tree.dir, MODULES)]) link(from, modules);
  const libraries = [programs.env['LD_LIBRARY_PATH'], join(tree.dir, LIBRARIES), libraryPath(tree.dir)];
  const path = libraries.filter(Boolean).join(':');
  const script = join(modules, 'on-append.sieve');
  if (onAppend !== undefined) {
    writeFileSync(script, onAppend);
    giveToMail(modules, script);
  }
  const server = await privateDovecot({
    escapeNames: true,
    extra: `mail_plugin_dir = ${modules}
import_environment = TZ CORE_OUTOFMEM CORE_ERROR PATH LD_LIBRARY_PATH=${path}
submission_host = 127.0.0.1:${smtpPort}
postmaster_address = postmaster@private.test
protocol lda {
  mail_plugins = $mail_plugins sieve
}
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_plugin_dir = ${modules}/sieve
}
${onAppend === undefined ? '' : onEveryAppend(script)}`,
  });
  const secret = `{PLAIN.b64}${Buffer.from(PRIVATE_MASTER.password).toString('base64')}`;
  const plugins = 'userdb_mail_plugins=quota,listescape,imap_quota';
  const masters = [`${PRIVATE_MASTER.name}:${secret}`, `${QUIET_MASTER.name}:${secret}::::::${plugins}`];
  writeFileSync(join(server.dir, 'masters'), `${masters.join('\n')}\n`);
  const wrong = await refusal(server);
  if (wrong !== null) return wrong;
  return Object.assign(server, {
    activate(account: TestAccount, text: string) {
      const home = server.accounts.homeOf(account.user);
      mkdirSync(home, { recursive: true, mode: 0o700 });
      const file = join(home, '.dovecot.sieve');
      writeFileSync(file, text);
      giveToMail(home, file);
    },
    async deliver({ user }: TestAccount, message: string) {
      // It would start doveconf at its place in the system, where an unpacked one is not.
      const configured = ['-f', 'service=lda', '-c', join(server.dir, 'dovecot.conf'), '-m', 'lda', '-e'];
      const agent = spawn(
        join(own, 'usr/bin/doveconf'),
        [...configured, join(own, LIBRARIES, 'dovecot-lda'), '-d', user, '-f', SENDER, '-e'],
        {
          // Not the whole environment: MAIL of a login session would be taken for a setting.
          env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: path },
          stdio: ['pipe', 'ignore', 'pipe'],
        },
      );
      let said = '';
      agent.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
      agent.stdin.end(message);
      const [code] = (await once(agent, 'close')) as [number | null];
      if (code !== 0) throw new Error(`not delivered (${code}): ${said} ${server.log(5)}`);
    },
  });
}

const onEveryAppend = (script: string): string => `protocol imap {
  mail_plugins = $mail_plugins imap_quota imap_sieve
}
plugin {
  sieve_plugins = sieve_imapsieve
  imapsieve_mailbox1_name = *
  imapsieve_mailbox1_causes = APPEND
  imapsieve_mailbox1_before = file:${script}
}
`;

/** Links to every module, folder by folder. */
function link(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const [file, place] = [join(from, name), join(to, name)];
    if (statSync(file).isDirectory()) link(file, place);
    else if (!existsSync(place)) symlinkSync(file, place);
  }
}

function giveToMail(...files: readonly string[]): void {
  const { uid, gid } = mailOwner();
  if (isRoot()) for (const file of files) chownSync(file, uid, gid);
  for (const file of files) chmodSync(file, statSync(file).isDirectory() ? 0o755 : 0o644);
  if (isRoot()) chmodSync(dirname(files[0]!), 0o755);
}

/** The module of another release does not load, and then nobody gets in. */
async function refusal(server: DovecotServer): Promise<string | null> {
  const { imapPort, user, password } = accountOn(server);
  try {
    await (await RawImap.open(imapPort, user, password)).close();
    return null;
  } catch (error) {
    return `Pigeonhole does not fit this Dovecot: ${(error as Error).message} ${server.log(2)}`;
  }
}
