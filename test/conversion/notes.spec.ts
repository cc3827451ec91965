import { describe, expect, it } from '@jest/globals';
import { buildJournal } from '../../src/conversion/build/items.js';
import { isNote, noteFromMessage, noteToMessage } from '../../src/conversion/notes/note-message.js';
import { event, text } from './fixtures.js';

const NOTE = {
  uid: 'A1B2',
  modified: new Date('2025-03-01T10:00:00Z'),
  created: new Date('2024-03-01T10:00:00Z'),
  summary: `Einkauf für ${'Ü'.repeat(60)}`,
  description: 'Milch, Brot\n\nund Käse; 100 %',
};

describe('a note as a message', () => {
  it('comes back as it was, and is the same message every time', () => {
    const message = noteToMessage(buildJournal(NOTE), 'me@new.test')!;
    expect(noteFromMessage(message.bytes)).toEqual(NOTE);
    expect(message.date).toEqual(NOTE.modified);
    const words = Buffer.from(message.bytes).toString();
    expect(words).toMatch(/^X-Uniform-Type-Identifier: com\.apple\.mail-note\r$/m);
    expect(words).toMatch(/^From: <me@new\.test>\r$/m);
    expect(words).toMatch(/^[\x20-\x7e\r\n]*$/);
    for (const line of words.split('\r\n')) expect(line.length).toBeLessThanOrEqual(78);
    expect(noteToMessage(buildJournal(NOTE), 'me@new.test')!.bytes).toEqual(message.bytes);
  });

  it('is HTML in which nothing of its words is markup', () => {
    const description = 'a <b>bold</b> & "quoted"\n  two  blanks\n\n<script>alert(1)</script>';
    const message = noteToMessage(buildJournal({ ...NOTE, description }), 'me@new.test')!;
    const text = Buffer.from(message.bytes).toString();
    expect(text).toContain('Content-Type: text/html; charset=utf-8\r\n');
    const html = Buffer.from(text.slice(text.indexOf('\r\n\r\n')), 'base64').toString();
    expect(html.replace(/<\/?(?:html|head|body|div|br)>/g, '')).not.toMatch(/[<>"]/);
    expect(html).toContain('<div>&nbsp; two&nbsp; blanks</div>');
    expect(noteFromMessage(message.bytes)!.description).toBe(description.replace('\n  two', '\ntwo'));
  });

  it('a title comes from the first line where there is none; categories are keywords', () => {
    const { summary: _, ...untitled } = NOTE;
    const message = Buffer.from(
      noteToMessage(buildJournal({ ...untitled, categories: ['Haus', 'Über'] }), 'me@new.test')!.bytes,
    ).toString();
    expect(message).toContain('Subject: Milch, Brot\r\n');
    expect(message).toContain('Keywords: Haus, =?utf-8?B?w5xiZXI=?=\r\n');
  });

  it('an address or an identifier cannot break out of its header', () => {
    const message = Buffer.from(
      noteToMessage(buildJournal({ ...NOTE, uid: 'a\nBcc: x', summary: 'a\r\nBcc: x' }), 'me@new.test>\r\nBcc: <x')!
        .bytes,
    ).toString();
    expect(message).not.toMatch(/^Bcc:/m);
  });

  it('an event is no note, and a message without the mark is none either', () => {
    expect(noteToMessage(event(), 'me@new.test')).toBeNull();
    expect(isNote('Subject: x\r\n\r\nX-Uniform-Type-Identifier: com.apple.mail-note')).toBe(false);
    expect(noteFromMessage(text('Subject: x', '', 'body'))).toBeNull();
  });

  it('Apple’s note in HTML is read as words; one with pictures stays a message', () => {
    const apple = (type: string, ...body: string[]) =>
      text(
        'X-Uniform-Type-Identifier: com.apple.mail-note',
        'X-Universally-Unique-Identifier: U-1',
        'Date: Sat, 1 Mar 2025 10:00:00 +0100',
        'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
        `Content-Type: ${type}`,
        'Content-Transfer-Encoding: quoted-printable',
        '',
        ...body,
      );
    const html = apple(
      'text/html; charset=utf-8',
      '<html><head><style>p{}</style></head><body>Gr=C3=BC=C3=9Fe<div>a &amp; b</di=',
      'v><div><br></div><div>c</div></body></html>',
    );
    expect(noteFromMessage(html)).toEqual({
      uid: 'U-1',
      modified: new Date('2025-03-01T09:00:00Z'),
      summary: 'Grüße',
      description: 'Grüßea & b\n\nc',
    });
    expect(noteFromMessage(apple('multipart/related; boundary=x', '--x'))).toBeNull();
  });
});
