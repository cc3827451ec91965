import { createHash } from 'node:crypto';
import type { PlainJournal } from '../build/items.js';
import { decodeQuoted } from '../text/quoted-printable.js';
import { parseComponents, valueOf } from '../text/component.js';
import { splitRaw, unescapeText } from '../text/values.js';
import { fromMs, readMoment, toMs } from '../calendar/moments.js';
import { uidFrom } from '../uid.js';

/** What marks a note among messages; Apple's Notes and Gmail's Notes label go by it. */
const NOTE_TYPE = 'com.apple.mail-note';
const MARK = /^X-Uniform-Type-Identifier:[ \t]*com\.apple\.(?:mail-note|notes)\s*$/im;
/** Octets of an encoded line (RFC 2045 section 6.8). */
const BASE64_LINE = 76;
/** Bytes of a message that is read as a note; a larger one stays a message. */
const MOST_NOTE_BYTES = 1024 * 1024;
/** Characters of a title that is taken from the first line. */
const MOST_TITLE = 120;
/** Bytes of an encoded word before its encoding: RFC 2047 section 2 allows 75 characters in all. */
const MOST_WORD_BYTES = 42;

/**
 * A VJOURNAL as the message that mail clients show as a note, for a destination without journals: HTML in a
 * Notes folder, one <div> a line, as Apple's programs write it.
 * The same note gives the same bytes. Null: there is no VJOURNAL in it.
 * @param owner address that stands in From
 */
export function noteToMessage(journal: Uint8Array, owner: string): { bytes: Uint8Array; date: Date } | null {
  const calendar = parseComponents(journal).components.find(({ name }) => name === 'VCALENDAR');
  const note = calendar?.components.find(({ name }) => name === 'VJOURNAL');
  if (!note) return null;
  const words = note.properties
    .filter(({ name }) => name === 'DESCRIPTION')
    .map(({ value }) => unescapeText(value))
    .join('\n\n');
  const title = unescapeText(valueOf(note, 'SUMMARY') ?? '').trim() || firstLine(words);
  const uid = valueOf(note, 'UID') ?? uidFrom(title, words);
  const modified = dateOf(valueOf(note, 'LAST-MODIFIED') ?? valueOf(note, 'DTSTAMP')) ?? new Date(0);
  const created = dateOf(valueOf(note, 'CREATED') ?? valueOf(note, 'DTSTART')) ?? modified;
  const categories = note.properties
    .filter(({ name }) => name === 'CATEGORIES')
    .flatMap(({ value }) => splitRaw(value, ','));
  const headers = [
    `From: <${headerSafe(owner)}>`,
    `Subject: ${encoded(title)}`,
    `Date: ${mailDate(modified)}`,
    `Message-ID: <${createHash('sha256').update(uid).digest('hex').slice(0, 32)}@note.invalid>`,
    `X-Uniform-Type-Identifier: ${NOTE_TYPE}`,
    `X-Universally-Unique-Identifier: ${headerSafe(uid)}`,
    `X-Mail-Created-Date: ${mailDate(created)}`,
    ...(categories.length === 0
      ? []
      : [`Keywords: ${categories.map((one) => encoded(unescapeText(one).trim())).join(', ')}`]),
    'MIME-Version: 1.0',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: base64',
  ];
  const body = Buffer.from(asHtml(words), 'utf8').toString('base64');
  const lines = body.match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? [];
  return { bytes: Buffer.from([...headers, '', ...lines, ''].join('\r\n'), 'utf8'), date: modified };
}

/** True: the header block (or a message) is marked as a note. */
export function isNote(header: string): boolean {
  return MARK.test(header.split(/\r?\n\r?\n/, 1)[0]!);
}

/**
 * A note that a mail client keeps as a message. Null: it is no note, is large, or has several parts (pictures), which only the
 * message keeps.
 */
export function noteFromMessage(message: Uint8Array): PlainJournal | null {
  if (message.length > MOST_NOTE_BYTES) return null;
  const raw = Buffer.from(message).toString('latin1');
  const end = /\r?\n\r?\n/.exec(raw);
  const header = unfolded(raw.slice(0, end?.index ?? raw.length));
  if (!isNote(header)) return null;
  const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(header)?.[1]?.trim() ?? '';
  const type = field('Content-Type') || 'text/plain';
  if (!/^text\/(?:plain|html)\b/i.test(type)) return null;
  const charset = /charset="?([^";\s]+)/i.exec(type)?.[1];
  const body = decodedBody(
    raw.slice(end ? end.index + end[0].length : raw.length),
    field('Content-Transfer-Encoding'),
    charset,
  );
  const words = (/^text\/html/i.test(type) ? withoutTags(body) : body).replace(/\r\n?/g, '\n').trim();
  const modified = new Date(field('Date'));
  const created = new Date(field('X-Mail-Created-Date'));
  return {
    uid: field('X-Universally-Unique-Identifier') || uidFrom(field('Message-ID'), words),
    modified: Number.isNaN(modified.getTime()) ? new Date(0) : modified,
    ...(Number.isNaN(created.getTime()) ? {} : { created }),
    summary: decodedWords(field('Subject')) || firstLine(words),
    description: words,
  };
}

const firstLine = (words: string): string =>
  words
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim()
    .slice(0, MOST_TITLE) ?? '';
const headerSafe = (value: string): string => value.replace(/[^\x21-\x7e]/g, '');
const mailDate = (date: Date): string => date.toUTCString().replace('GMT', '+0000');
const unfolded = (header: string): string => header.replace(/\r?\n[ \t]+/g, ' ');

function dateOf(value: string | undefined): Date | null {
  const moment = readMoment(value ?? '');
  return moment && new Date(toMs({ ...moment, ...(moment.time === null ? fromMs(toMs(moment)) : {}) }));
}

/** RFC 2047, in words that may be folded between them. */
function encoded(text: string): string {
  const line = text.replace(/[\r\n\t]+/g, ' ');
  if (/^[\x20-\x7e]*$/.test(line) && line.length < 900 && !line.includes('=?')) return line;
  const words: string[] = [''];
  for (const char of line) {
    if (Buffer.byteLength(words.at(-1)! + char) > MOST_WORD_BYTES) words.push('');
    words[words.length - 1] += char;
  }
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}

function decodedWords(text: string): string {
  return Buffer.from(text, 'latin1')
    .toString('utf8')
    .replace(/(=\?[^?]+\?[BQ]\?[^?]*\?=)\s+(?==\?)/gi, '$1')
    .replace(/=\?([^?]+)\?([BQ])\?([^?]*)\?=/gi, (_, charset: string, kind: string, value: string) =>
      /b/i.test(kind)
        ? textIn(Buffer.from(value, 'base64'), charset)
        : decodeQuoted(value.replaceAll('_', ' '), charset),
    );
}

function decodedBody(raw: string, encoding: string, charset: string | undefined): string {
  if (/base64/i.test(encoding)) return textIn(Buffer.from(raw, 'base64'), charset);
  if (/quoted-printable/i.test(encoding)) return decodeQuoted(raw.replace(/[ \t]*=\r?\n/g, ''), charset);
  return textIn(Buffer.from(raw, 'latin1'), charset);
}

function textIn(bytes: Buffer, charset: string | undefined): string {
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function asHtml(words: string): string {
  const lines = words.split(/\r\n?|\n/).map((line) =>
    line
      .replace(/[&<>"]/g, (char) => ESCAPES[char]!)
      // Blanks at the beginning of a line, and several of them, would not be shown.
      .replace(/^ | (?= )/g, '&nbsp;'),
  );
  return `<html><head></head><body>${lines.map((line) => `<div>${line || '<br>'}</div>`).join('')}</body></html>\r\n`;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', apos: "'" };

/** Lines and words of a note in HTML; a note of Apple's is one <div> a line. */
function withoutTags(html: string): string {
  return html
    .replace(/\r?\n/g, ' ')
    .replace(/<(?:style|script|head)\b[^>]*>.*?<\/(?:style|script|head)>/gi, '')
    .replace(/<br\b[^>]*>\s*<\/(?:div|p)>|<br\b[^>]*>|<\/(?:div|p|li|h\d|tr)>/gi, '\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w+));/gi, (all, decimal?: string, hex?: string, name?: string) => {
      const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? parseInt(hex, 16) : null;
      if (code !== null) return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
      return ENTITIES[name!.toLowerCase()] ?? all;
    })
    .replace(/ *\n */g, '\n');
}
