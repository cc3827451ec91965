#!/usr/bin/env node
import 'reflect-metadata';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from './panel/host-panel.js';
import { runDoctor } from './standalone/commands/doctor.js';
import { hashPasswordCommand } from './standalone/commands/hash-password.js';
import { migrateDatabaseCommand } from './standalone/commands/migrate-database.js';
import { PACKAGE_DIR } from './standalone/infra/places.js';
import { MAX_TTL_S, signToken, type Audience } from './standalone/keys.js';
import { loadSettings, SettingsError } from './standalone/settings.js';

/** DESIGN section 9. */
export const EXIT = { complete: 0, failed: 1, usage: 2, incomplete: 3, needsAction: 4, interrupted: 130 } as const;

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

process.once('SIGINT', () => process.exit(EXIT.interrupted));
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.code === 'ttl') console.error(error.message);
    process.exitCode = error.exitCode === 0 ? EXIT.complete : EXIT.usage;
  } else {
    const message = (error as Error).message.split('\n')[0];
    console.error(`mailferry: ${message}`);
    process.exitCode = error instanceof SettingsError ? EXIT.usage : EXIT.failed;
  }
}
