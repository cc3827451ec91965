import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { FormError } from '../../src/standalone/host/forms.js';
import { SignInLimit } from '../../src/standalone/host/sign-in-limit.js';
import { sampleMailbox } from '../../src/standalone/sandbox/sample-mailbox.js';
import { appendMessages, oldProvider, readMailbox } from '../servers/dovecot.js';

describe('the sample mailbox', () => {
  it('is the same every time, and holds what real mailboxes hold', () => {
    const digest = (): string => {
      const hash = createHash('sha256');
      for (const one of sampleMailbox())
        hash.update(one.message).update(JSON.stringify([one.path, one.flags, one.date]));
      return hash.digest('hex');
    };
    expect(digest()).toBe(digest());
    const all = [...sampleMailbox()];
    const text = all.map((one) => one.message.toString('latin1'));
    expect(all.length).toBeGreaterThan(300);
    expect(Math.max(...all.map((one) => one.path.length))).toBe(3);
    expect(new Set(all.map((one) => one.date.getUTCFullYear())).size).toBeGreaterThan(10);
    expect(new Set(text).size).toBeLessThan(text.length);
    expect(text.some((one) => !/^Message-ID:/m.test(one))).toBe(true);
    expect(text.some((one) => !/^Date:/m.test(one))).toBe(true);
    expect(text.some((one) => /[\x80-\xff]/.test(one.split('\r\n\r\n')[0] ?? ''))).toBe(false);
    expect(Math.max(...text.map((one) => one.length))).toBeGreaterThan(1024 * 1024);
  });

  it('is taken by a real server as it is', async () => {
    const account = oldProvider.account();
    const all = [...sampleMailbox()];
    await appendMessages(
      account,
      all.map((one) => ({ ...one, path: one.path.join('/') })),
    );
    const found = (await readMailbox(account)).flatMap((folder) =>
      folder.messages.map((one) => `${folder.path} ${one.sha256} ${one.internalDate} ${one.flags}`),
    );
    const wanted = all.map(
      (one) =>
        `${one.path.join('/')} ${createHash('sha256').update(one.message).digest('hex')} ${one.date.toISOString()} ${one.flags}`,
    );
    expect(found.sort()).toEqual(wanted.sort());
  });
});

describe('the limit on sign-ins', () => {
  const wrong = async (): Promise<boolean> => false;

  it('stops guessing at one name, and lets it in again after a while', async () => {
    let now = 0;
    const limit = new SignInLimit(() => now);
    for (let i = 0; i < 5; i++) expect(await limit.check(`10.0.0.${i}`, 'Sam', wrong)).toBe(false);
    await expect(limit.check('10.0.0.9', 'sam', async () => true)).rejects.toBeInstanceOf(FormError);
    expect(await limit.check('10.0.0.9', 'dora', async () => true)).toBe(true);
    now = 16 * 60_000;
    expect(await limit.check('10.0.0.9', 'sam', async () => true)).toBe(true);
  });

  it('stops one machine that tries many names, also at the same time', async () => {
    const limit = new SignInLimit();
    const tries = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => limit.check('10.0.0.1', `name${i}`, wrong)),
    );
    expect(tries.filter((one) => one.status === 'fulfilled').length).toBeLessThanOrEqual(20);
  });

  it('does not count sign-ins that were right', async () => {
    const limit = new SignInLimit();
    for (let i = 0; i < 12; i++) expect(await limit.check('10.0.0.1', 'sam', async () => true)).toBe(true);
  });
});
