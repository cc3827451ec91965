import { describe, expect, it } from '@jest/globals';
import type { CopyArguments } from '../../src/standalone/commands/copy/arguments.js';
import { accountOf, wishOf } from '../../src/standalone/commands/copy/wish.js';
import { UsageError } from '../../src/standalone/commands/usage.js';

const usual: CopyArguments = {
  from: 'imaps://anna@old.test@mail.old.test',
  to: 'imap://anna%40new.test@[::1]:1143',
  items: 'mail',
  excludeFolder: [],
  repair: true,
};

describe('the command line of a copy', () => {
  it('names two mailboxes, with @ in their user names, and their servers', () => {
    const { from, to } = wishOf(usual);
    expect(from).toEqual({ user: 'anna@old.test', host: 'mail.old.test', port: 993, security: 'tls' });
    expect(to).toEqual({ user: 'anna@new.test', host: '::1', port: 1143, security: 'starttls' });
    expect([accountOf(from), accountOf(to)]).toEqual(['anna@old.test@mail.old.test', 'anna@new.test@::1:1143']);
  });

  it('says what is copied in bytes, moments and levels', () => {
    const { filters, existing, options } = wishOf({
      ...usual,
      excludeFolder: ['Archive/2019'],
      since: '2024-01-31',
      maxSize: '1.5M',
      replace: true,
      confirm: 'Anna@new.test',
      repair: false,
    });
    expect(filters).toEqual({
      excludeFolders: [['Archive', '2019']],
      since: '2024-01-31T00:00:00.000Z',
      maxItemBytes: 1_572_864,
    });
    expect({ existing, options }).toEqual({ existing: 'replace', options: { repair: false, deepVerify: false } });
  });

  it.each<[string, Partial<CopyArguments>, RegExp]>([
    ['a password in the URL', { from: 'imaps://a:hunter2@old.test' }, /--from has a password in it/],
    ['another scheme', { to: 'pop3://a@old.test' }, /--to must be imaps:/],
    ['no URL at all', { from: 'a b' }, /--from is not a URL/],
    ['no user', { from: 'imaps://old.test' }, /--from names no user/],
    ['a folder behind the host', { from: 'imaps://a@old.test/INBOX' }, /nothing may follow the host/],
    ['a stray %', { from: 'imaps://100%@old.test' }, /write it as %25/],
    ['the same mailbox twice', { to: 'imap://ANNA%40old.test@mail.old.test' }, /the same mailbox/],
    ['replace without its confirmation', { replace: true }, /--confirm/],
    ['replace with the old mailbox confirmed', { replace: true, confirm: 'anna@old.test' }, /--confirm/],
    ['a kind that nobody knows', { items: 'mail,photos' }, /--items must be of mail, contacts/],
    ['a kind that IMAP does not have', { items: 'mail,contacts' }, /only mail/],
    ['a size that is none', { maxSize: 'big' }, /--max-size/],
    ['a day that is none', { since: 'yesterday' }, /--since/],
    ['a file that is not there', { fromCa: '/nowhere' }, /--from-ca: the file cannot be read \(ENOENT\)/],
    ['half a fingerprint', { toFingerprint: 'ab:cd' }, /--to-fingerprint/],
  ])('is refused with %s', (_, wrong, sentence) => {
    const refused = (): unknown => wishOf({ ...usual, ...wrong });
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(sentence);
    expect(refused).not.toThrow(/hunter2/);
  });
});
