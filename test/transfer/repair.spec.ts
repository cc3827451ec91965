import type { StagedItem } from '../../src/mailbox/item.js';
import { encodeEightBit } from '../../src/transfer/encoded-words.js';
import { repaired } from '../../src/transfer/repair.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { staged } from '../contracts/destination.contract.js';
import { bytesOf } from '../contracts/messages.js';
import { destinationError } from '../fakes/fake-destination.js';

const staging = new BodyStaging();
const said = (text: string, code = 'MESSAGE_MALFORMED') => destinationError('item', 'never', code, text);

async function mend(
  bytes: string,
  text: string,
  flags: string[] = [],
): Promise<{ text: string; item: StagedItem } | null> {
  const item = await repaired(await staged(Buffer.from(bytes, 'latin1'), { flags }), said(text), staging);
  return item && { text: (await bytesOf(item.body)).toString('latin1'), item };
}
const notes = (mended: { item: StagedItem } | null) => mended?.item.notes.map((note) => note.code);

describe('a refused message', () => {
  it('with NUL gets what servers store in its place, and keeps its digest', async () => {
    const bytes = 'Subject: a\r\n\r\nx\0y\r\n';
    const mended = await mend(bytes, 'NO Message contains NUL characters');
    expect(mended?.text).toBe('Subject: a\r\n\r\nx\x80y\r\n');
    expect(notes(mended)).toEqual(['REPAIRED_NUL']);
    expect(mended?.item.body.digest).toBe((await staged(Buffer.from(bytes))).body.digest);
  });

  it('with bare line ends gets CRLF everywhere and nothing else', async () => {
    const mended = await mend('Subject: a\nTo: b\r\n\nx\r\r\ny\rz\n', 'NO Message contains bare newlines');
    expect(mended?.text).toBe('Subject: a\r\nTo: b\r\n\r\nx\r\ny\r\nz\r\n');
    expect(notes(mended)).toEqual(['REPAIRED_LINE_ENDS']);
  });

  it('with 8-bit header bytes gets encoded words, in UTF-8 where it is UTF-8', async () => {
    const subject = Buffer.from('Grüße à tous').toString('latin1');
    const mended = await mend(
      `Subject: ${subject}\r\n\r\nü\r\n`,
      'NO Message contains non-ASCII characters in headers',
    );
    const [, word] = /Subject: (.*)\r\n\r\n\xfc\r\n$/s.exec(mended!.text)!;
    const decoded = word!.replace(/=\?utf-8\?B\?([^?]*)\?=/g, (_, b64: string) =>
      Buffer.from(b64, 'base64').toString(),
    );
    expect(decoded).toBe('Grüße à tous');
    expect(notes(mended)).toEqual(['REPAIRED_EIGHT_BIT_HEADER']);
  });

  it('with an mbox line loses only that line', async () => {
    const mended = await mend(
      'From a@b Thu Jan  1 1970\r\nSubject: a\r\n\r\nx\r\n',
      'NO Message contains invalid header',
    );
    expect(mended?.text).toBe('Subject: a\r\n\r\nx\r\n');
    expect(notes(mended)).toEqual(['REPAIRED_MBOX_LINE']);
  });

  it.each([
    [
      'a stray line between fields is folded',
      'Subject: a\r\nstray\r\nTo: b\r\n\r\nx\r\n',
      'Subject: a\r\n stray\r\nTo: b\r\n\r\nx\r\n',
    ],
    ['a body without an empty line gets one', 'Subject: a\r\nHello you\r\n', 'Subject: a\r\n\r\nHello you\r\n'],
    ['a header that just ends gets one', 'Subject: a\r\n', 'Subject: a\r\n\r\n'],
    ['a blank in a field name becomes a dash', 'X My: a\r\nTo: b\r\n\r\nx\r\n', 'X-My: a\r\nTo: b\r\n\r\nx\r\n'],
  ])('with a broken header: %s', async (_, bytes, wanted) => {
    expect((await mend(bytes, 'NO Message contains invalid header'))?.text).toBe(wanted);
  });

  it('with keywords comes without them, and its body is not touched', async () => {
    const mended = await mend('Subject: a\r\n\r\nx\0\r\n', 'NO Too many keywords in mailbox', ['\\Seen', 'One']);
    expect(mended?.item.flags).toEqual(['\\Seen']);
    expect(mended?.text).toContain('\0');
    expect(notes(mended)).toEqual(['KEYWORDS_DROPPED']);
  });

  it('without a reason gets the repairs of what is really wrong', async () => {
    expect(notes(await mend('Subject: a\n\nx\0\n', 'NO refused'))).toEqual(['REPAIRED_NUL', 'REPAIRED_LINE_ENDS']);
    expect(await mend('Subject: a\r\n\r\nx\r\n', 'NO refused')).toBeNull();
  });

  it.each(['NO virus found', 'NO [LIMIT] Too many identical emails', 'NO over quota'])(
    'for another reason is left as it is: %s',
    async (text) => expect(await mend('Subject: a\n\nx\n', text)).toBeNull(),
  );

  it('is repaired in the middle of a large body, at any chunk', async () => {
    const line = `${'x'.repeat(70)}\r\n`;
    const body = line.repeat(20_000);
    const mended = await mend(`Subject: a\r\n\r\n${body}\0\r\n`, 'NO NUL');
    expect(mended?.text === `Subject: a\r\n\r\n${body}\x80\r\n`).toBe(true);
    await mended?.item.body.release();
  });
});

describe('encoded words', () => {
  it('leave everything alone that is ASCII, and quoted parameters quoted', () => {
    const latin1 = Buffer.from('Müller').toString('latin1');
    const header = `From: "${latin1}, Jo" <a@b.test>\r\nContent-Type: text/plain; name="${latin1}.txt"\r\n`;
    const encoded = encodeEightBit(header);
    expect(encoded).toMatch(
      /^From: =\?utf-8\?B\?[^?]+\?= <a@b\.test>\r\nContent-Type: text\/plain; name="=\?utf-8\?B\?[^?]+\?="\r\n$/,
    );
    expect(encodeEightBit('Subject: plain "quoted" <x>\r\n')).toBe('Subject: plain "quoted" <x>\r\n');
  });

  it('are never longer than 75 characters and never split a character', () => {
    const words = encodeEightBit(`Subject: ${Buffer.from('äöü€'.repeat(40)).toString('latin1')}\r\n`).match(
      /=\?[^ \r]*\?=/g,
    )!;
    expect(words.length).toBeGreaterThan(1);
    for (const word of words) {
      expect(word.length).toBeLessThanOrEqual(75);
      expect(Buffer.from(word.slice(10, -2), 'base64').toString()).not.toContain('\ufffd');
    }
  });

  it('name windows-1252 for bytes that are no UTF-8', () => {
    expect(encodeEightBit('Subject: Gr\xfc\xdfe\r\n')).toMatch(/^Subject: =\?windows-1252\?B\?[^?]+\?=\r\n$/);
  });
});
