import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { UsageError } from '../usage.js';
import { passwordVariable } from './arguments.js';

/**
 * From the environment, else by a question whose answer is not shown. Taken out of the environment at once: processes
 * that are started later must not inherit it.
 * @returns null when the question was answered by Ctrl-C. @throws UsageError where nobody can be asked.
 */
export async function passwordOf(option: '--from' | '--to', whose: string): Promise<string | null> {
  const variable = passwordVariable(option);
  const given = process.env[variable];
  delete process.env[variable];
  if (given) return given;
  if (!process.stdin.isTTY)
    throw new UsageError(`the password for ${option} is missing: set ${variable} (there is no terminal to ask at)`);
  const typed = await ask(`Password of ${whose}: `);
  if (typed === '') throw new UsageError(`the password for ${option} is empty`);
  return typed;
}

function ask(question: string): Promise<string | null> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const asking = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  process.stderr.write(question);
  return new Promise((done) => {
    const end = (answer: string | null): void => {
      process.stderr.write('\n');
      done(answer);
      asking.close();
    };
    asking.once('SIGINT', () => end(null));
    asking.once('line', end);
    asking.once('close', () => done(null));
  });
}
