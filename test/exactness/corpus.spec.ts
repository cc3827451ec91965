/**
 * Malformed mail of other projects' test data, where it lies beside the project (../shared/corpus): every message arrives or
 * is named with a reason. None of it is kept here.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_DIR } from '../../src/standalone/infra/places.js';
import type { TestAccount } from '../servers/dovecot.js';
import { fill, type MailServer, seeMailbox, type SeenFolder, serverKinds } from '../servers/kinds.js';
import { stopPrivateServers } from '../servers/private.js';
import { Migration } from './transfer.js';

const CORPUS = join(PACKAGE_DIR, '..', 'shared', 'corpus', 'eml');
const DATE = '29-Feb-2020 12:00:00 +0000';

/** What no collection has: each is the smallest of its kind. */
const CRAFTED: Readonly<Record<string, string>> = {
  'NUL in the body': 'Subject: a\r\n\r\none\0two\r\n',
  'NUL in a header': 'Subject: a\0b\r\n\r\nbody\r\n',
  'bare LF': 'Subject: a\nFrom: b@c.test\n\nbody\nbody\n',
  'bare CR in the body': 'Subject: a\r\n\r\none\rtwo\r\n',
  'raw 8-bit header': 'Subject: Gr\xfc\xdfe\r\nFrom: b@c.test\r\n\r\nbody\r\n',
  'raw UTF-8 header': 'Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nbody\r\n',
  'header line without a colon': 'Subject: a\r\nno colon here\r\nFrom: b@c.test\r\n\r\nbody\r\n',
  'blank in a header name': 'Sub ject: a\r\nFrom: b@c.test\r\n\r\nbody\r\n',
  'mbox line': 'From b@c.test Sat Feb 29 12:00:00 2020\r\nSubject: a\r\n\r\nbody\r\n',
  'no header at all': '\r\nbody\r\n',
  'no separator': 'Subject: a\r\nFrom: b@c.test\r\n',
  'body only, no colon anywhere': 'just words\r\nand more words\r\n',
  'line of 100 kB': `Subject: a\r\n\r\n${'x'.repeat(100_000)}\r\n`,
  'header of 100 kB': `Subject: a\r\nX-Long: ${'y'.repeat(100_000)}\r\n\r\nbody\r\n`,
  'one byte': 'x',
  'no final line end': 'Subject: a\r\n\r\nbody',
};

const kinds = await serverKinds();
afterAll(stopPrivateServers);

function messages(): { name: string; bytes: Buffer }[] {
  const crafted = Object.entries(CRAFTED).map(([name, text]) => ({ name, bytes: Buffer.from(text, 'latin1') }));
  if (!existsSync(CORPUS)) return crafted;
  const files = readdirSync(CORPUS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.eml'))
    .sort();
  return [...crafted, ...files.map((name) => ({ name, bytes: readFileSync(join(CORPUS, name)) }))];
}

describe('malformed mail', () => {
  if (!existsSync(CORPUS)) it.skip('of the corpus: ../shared/corpus is not here', () => undefined);
  const [old] = kinds;
  if (old === undefined || 'missing' in old) throw new Error('Dovecot is always here');
  let account: TestAccount;
  let held: SeenFolder;
  beforeAll(async () => {
    account = await old.server.account();
    const all = messages().filter(({ bytes }) => bytes.length > 0);
    await fill(
      old.server,
      account,
      all.map(({ bytes }) => ({ path: ['INBOX'], bytes, flags: ['\\Seen', '$Label1'], date: DATE })),
    );
    held = (await seeMailbox(old.server, account)).get('INBOX')!;
    expect(held.messages).toHaveLength(all.length);
  }, 60_000);

  for (const kind of kinds) {
    if ('missing' in kind) it.skip(`to ${kind.name}: cannot be had here: ${kind.missing}`, () => undefined);
    else it(`arrives at ${kind.name} or is named with a reason`, () => arrives(kind.server), 60_000);
  }

  async function arrives(to: MailServer): Promise<void> {
    const target = await to.account();
    const told = await new Migration(account, target).run();
    const there = (await seeMailbox(to, target)).get('INBOX')?.messages ?? [];
    const { copied, failed, found } = told.counts;
    expect({ end: told.end, log: told.log }).toMatchObject({ end: { is: 'completed' } });
    expect([found, copied + failed]).toEqual([held.messages.length, held.messages.length]);
    expect(there).toHaveLength(copied);
    expect(told.refusals).toHaveLength(failed);
    for (const { code, message } of told.refusals) expect([code, message]).not.toContain('');
    for (const { flags } of there) expect(flags).toEqual(['$Label1', '\\Seen']);

    const exact = inCommon(
      held.messages.map(({ sha256 }) => sha256),
      there.map(({ sha256 }) => sha256),
    );
    const repaired = Object.entries(told.remarks).reduce(
      (n, [code, items]) => n + (/^REPAIRED_/.test(code) ? items : 0),
      0,
    );
    console.log(
      `${to.name}: ${found} messages: ${exact} byte for byte, ${copied - exact} changed (${repaired} repairs), ${failed} refused ` +
        `${JSON.stringify(count(told.refusals.map(({ code }) => code)))}; remarks ${JSON.stringify(told.remarks)}`,
    );
    // What is not byte for byte the same has a remark; a repair has one too.
    const remarked = Object.entries(told.remarks).reduce((sum, [, items]) => sum + items, 0);
    expect(remarked).toBeGreaterThanOrEqual(copied - exact);
  }
});

/** Size of the intersection as multisets. */
function inCommon(a: readonly string[], b: readonly string[]): number {
  const left = [...b];
  return a.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  }).length;
}

function count(words: readonly string[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const word of words) sums[word] = (sums[word] ?? 0) + 1;
  return sums;
}
