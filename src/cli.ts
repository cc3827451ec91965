#!/usr/bin/env node
import 'reflect-metadata';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from './panel/host-panel.js';
import type { CopyArguments } from './standalone/commands/copy/arguments.js';
import { runDoctor } from './standalone/commands/doctor.js';
import type { ListOptions } from './standalone/commands/jobs/filter.js';
import type { ActOptions } from './standalone/commands/jobs/jobs.js';
import { hashPasswordCommand } from './standalone/commands/hash-password.js';
import { migrateDatabaseCommand } from './standalone/commands/migrate-database.js';
import { EXIT, UsageError } from './standalone/commands/usage.js';
import { PACKAGE_DIR } from './standalone/infra/places.js';
import { MAX_TTL_S, signToken, type Audience } from './standalone/keys.js';
import { DEFAULT_TENANT } from './standalone/people.js';
import { loadSettings } from './standalone/settings.js';
import { SettingsError } from './standalone/settings-check.js';

interface TokenOptions {
  sub: string;
  role: Role;
  mailbox: string[];
  domain: string[];
  tenant?: string;
  ttl?: number;
  audience: Audience;
}

const { version } = JSON.parse(readFileSync(join(PACKAGE_DIR, 'package.json'), 'utf8')) as { version: string };
const collect = (value: string, before: string[]): string[] => [...before, value];
const address = (value: string, before: string[]): string[] => {
  if (!/^[^\s@]+@[^\s@]+$/.test(value)) throw new InvalidArgumentError('must be a mail address.');
  return collect(value, before);
};
const seconds = (value: string): number => {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError('must be a whole number of seconds.');
  return Number(value);
};

const leave = (): never => process.exit(EXIT.interrupted);

const program = new Command('mailferry')
  .description('Mailbox migration: the commands of an operator.')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(mailferry --help tells more)');

program
  .command('token')
  .description("prints a token signed with the standalone host's own key")
  .requiredOption('--sub <name>', 'who it is for')
  .addOption(new Option('--role <role>').choices(['user', 'domain-admin', 'support']).default('user'))
  .option('--mailbox <address>', 'a mailbox that is his (may be given again)', address, [])
  .option('--domain <domain>', 'a domain that is his (may be given again)', collect, [])
  .option('--tenant <name>', 'whose customer he is')
  .option('--ttl <seconds>', 'how long it counts (default: the most that is allowed)', seconds)
  .addOption(new Option('--audience <audience>').choices(Object.keys(MAX_TTL_S)).default('mailferry/api'))
  .action(async (options: TokenOptions) => {
    const most = MAX_TTL_S[options.audience];
    if (options.ttl && options.ttl > most)
      throw new CommanderError(EXIT.usage, 'ttl', `error: --ttl is at most ${most} for ${options.audience}`);
    const { dataDir } = loadSettings();
    console.log(await signToken(dataDir, { ...options, mailboxes: options.mailbox, domains: options.domain }));
  });

program
  .command('doctor')
  .description('checks keys, database, queue and destination, and says what to do')
  .option('--mailbox <address>', 'also try to open this mailbox at the destination')
  .option('--json', 'one JSON object a line')
  .action(async (options: { mailbox?: string; json?: boolean }) => {
    process.exitCode = (await runDoctor(options, (line) => console.log(line))) ? EXIT.complete : EXIT.failed;
  });

program
  .command('migrate-database')
  .description('applies the SQL migrations that are missing')
  .action(async () => migrateDatabaseCommand((line) => console.log(line)));

program
  .command('hash-password')
  .description('reads a password from standard input and prints its hash for the accounts of the settings file')
  .action(async () => hashPasswordCommand((line) => console.log(line)));

program
  .command('copy')
  .description('moves one mailbox into another; run again, it goes on where it was')
  .requiredOption(
    '--from <url>',
    'the old mailbox: imaps://USER@HOST[:PORT], imap:// for STARTTLS, or ews:// for Exchange',
  )
  .requiredOption('--to <url>', 'the new mailbox: imaps:// or imap://')
  .option('--items <kinds>', 'what to copy: mail; from Exchange contacts,calendars,tasks,notes, too', 'mail')
  .option(
    '--exclude-folder <path>',
    'a folder to leave out with all below it, like Archive/2019 (may be given again)',
    collect,
    [],
  )
  .option('--since <day>', 'only messages from this day on')
  .option('--max-size <size>', 'only messages up to this size, like 25M')
  .option('--replace', 'what is in the new mailbox and not in the old one is moved into a dated folder')
  .option('--confirm <user>', 'with --replace: the user name of the new mailbox')
  .option('--no-repair', 'leave out malformed messages that the new server refuses, instead of mending them')
  .option('--deep-verify', 'read every message back at the end and compare it')
  .option('--dry-run', 'only show what would go where')
  .option('--from-ca <file>', 'certificate authority of the old server (PEM)')
  .option('--to-ca <file>', 'certificate authority of the new server (PEM)')
  .option('--from-fingerprint <sha256>', 'accept exactly this certificate of the old server')
  .option('--to-fingerprint <sha256>', 'accept exactly this certificate of the new server')
  .option(
    '--from-admin <name>',
    'sign in at the old server as this administrator, acting for the user (SASL PLAIN; Exchange: impersonation)',
  )
  .option('--to-admin <name>', 'sign in at the new server as this administrator')
  .option('--to-dav <url>', 'CalDAV and CardDAV of the new server, for more than mail')
  .option('--report <file>', 'write what did not arrive, item by item, as CSV')
  .option('--data-dir <folder>', 'where the ledger is kept (default: MAILFERRY_DATA_DIR)')
  .option('--json', 'one event a line')
  .addHelpText(
    'after',
    `
Passwords come from MAILFERRY_FROM_PASSWORD and MAILFERRY_TO_PASSWORD, else they are asked for.
Ctrl-C stops at a checkpoint, a second one at once; the same command then goes on.
Exit codes: 0 complete, 1 failed, 2 wrong usage, 3 something did not arrive, 4 something must be done first, 130 interrupted.`,
  )
  .action(async (options: CopyArguments) => {
    process.off('SIGINT', leave);
    const { copyCommand } = await import('./standalone/commands/copy/copy.js');
    process.exitCode = await copyCommand(options);
  });

const say = (line: string): void => console.log(line);
const jobs = program.command('jobs').description('migrations: list, show, and what support can do to them');
const filtered = (command: Command): Command =>
  command
    .option('--state <states>', 'in one of these states, separated by commas')
    .option('--domain <domain>', 'of this domain')
    .option('--mailbox <address>', 'into this mailbox')
    .option('--batch <id>', 'of this batch')
    .option('--host <name>', 'from this old server')
    .option('--q <text>', 'with this text in mailbox, old server or old user name')
    .option('--error <code>', 'stopped by this code, or with items that failed with it')
    .option('--age <age>', 'made in the last day, week or month, or older')
    .option('--tenant <name>', "of this tenant ('shell': what mailferry copy moved)", DEFAULT_TENANT)
    .option('--json', 'one JSON object a line');

filtered(jobs.command('list').description('the newest first'))
  .option('--sort <order>', 'created, changed, mailbox or failed; a minus before it turns it round')
  .option('--page <number>', 'which page')
  .option('--per-page <number>', 'how many on a page, up to 200')
  .action(async (options: ListOptions) => {
    const { listJobs } = await import('./standalone/commands/jobs/jobs.js');
    process.exitCode = await listJobs(options, say);
  });
jobs
  .command('show <id>')
  .description('one migration with its folders and runs')
  .option('--log', 'with its log')
  .option('--json', 'as the API shows it')
  .action(async (id: string, options: { json?: boolean; log?: boolean }) => {
    const { showJob } = await import('./standalone/commands/jobs/jobs.js');
    process.exitCode = await showJob(id, options, say);
  });
for (const action of ['retry', 'cancel', 'pause', 'resume', 'sync'] as const)
  filtered(
    jobs.command(`${action} [ids...]`).description(`${action} migrations, by their ids or all that a filter finds`),
  )
    .option('--yes', 'with a filter: do it, instead of only counting')
    .action(async (ids: string[], options: ActOptions) => {
      const { actOnJobs } = await import('./standalone/commands/jobs/jobs.js');
      process.exitCode = await actOnJobs(action, ids, options, say);
    });

program
  .command('rotate-keys')
  .description('wraps every stored password anew by the first master key')
  .action(async () => {
    const { rotateKeysCommand } = await import('./standalone/commands/rotate-keys.js');
    process.exitCode = (await rotateKeysCommand(say)) ? EXIT.complete : EXIT.failed;
  });

process.once('SIGINT', leave);
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.code === 'ttl') console.error(error.message);
    process.exitCode = error.exitCode === 0 ? EXIT.complete : EXIT.usage;
  } else {
    const message = (error as Error).message.split('\n')[0];
    console.error(`mailferry: ${message}`);
    process.exitCode = error instanceof SettingsError || error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}
