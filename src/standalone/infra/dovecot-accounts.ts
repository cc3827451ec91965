import { chownSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkName, masterLine, userLine, type DovecotUser } from './dovecot-config.js';
import { isRoot, lookUpUser, systemUser, type Owner } from './places.js';

/** The accounts of a private Dovecot, from any process that may write its folder; the server need not run. */
export interface DovecotAccounts {
  /** Adds an account: it works at once. Or changes one: Dovecot may take up to a second to see it. */
  add(user: DovecotUser): void;
  remove(name: string): void;
  /** Folder with the user's mail. */
  homeOf(name: string): string;
}

/** @param dir the instance's own folder. */
export function dovecotAccounts(dir: string): DovecotAccounts {
  const mail = mailOwner();
  const fileOf = (name: string): string => {
    checkName(name);
    return join(dir, 'users', name.toLowerCase());
  };
  const homeOf = (name: string): string => join(dir, 'home', name.toLowerCase());
  return {
    homeOf,
    // A file for each user: Dovecot looks at one file at most once a second, and a new account must work at once.
    add: (user) => writeSecret(fileOf(user.user), userLine(user, homeOf(user.user), mail)),
    remove: (name) => rmSync(fileOf(name), { force: true }),
  };
}

/** Makes the folders, and writes who may open every mailbox. */
export function prepareAccounts(dir: string, master: { name: string; password: string } | undefined): void {
  for (const name of ['home', 'users']) mkdirSync(join(dir, name), { recursive: true });
  if (isRoot()) {
    const mail = mailOwner();
    chownSync(join(dir, 'home'), mail.uid, mail.gid);
  }
  writeSecret(join(dir, 'masters'), master ? masterLine(master.name, master.password) : '');
}

/** Who owns the mail: as root the system's mail user, else ourselves. */
export function mailOwner(): Owner {
  if (!isRoot()) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return lookUpUser('mail') ?? systemUser();
}

/** Whose processes look passwords up. */
export function authOwner(): (Owner & { user: string }) | null {
  if (!isRoot()) return null;
  const dovecot = lookUpUser('dovecot');
  return dovecot ? { ...dovecot, user: 'dovecot' } : { ...systemUser(), user: 'mailferry' };
}

/** Whole or not at all, since Dovecot may read it at any moment; readable for Dovecot's auth process and nobody else. */
function writeSecret(file: string, text: string): void {
  const part = `${file}.${process.pid}.new`;
  const reader = authOwner();
  writeFileSync(part, text, { mode: 0o600 });
  if (reader) chownSync(part, reader.uid, reader.gid);
  renameSync(part, file);
}
