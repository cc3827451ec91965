import { stdin } from 'node:process';
import { hashPassword } from '../passwords.js';

const FEWEST = 8;

/** Reads one line from standard input: never from argv, where every user of the machine could see it. */
export async function hashPasswordCommand(say: (line: string) => void): Promise<void> {
  if (stdin.isTTY) console.error('Password (then Return):');
  let text = '';
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  const password = text.split(/\r?\n/)[0] ?? '';
  if (password.length < FEWEST) throw new Error(`the password must have at least ${FEWEST} characters`);
  say(await hashPassword(password));
}
