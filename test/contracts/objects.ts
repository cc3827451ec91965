import type { MessageShape } from './messages.js';

/** Radicale reads a megabyte of text for ten seconds. */
const MOST_BYTES = 100_000;

/** An event, the same for the same arguments. */
export function event(n: number, shape: MessageShape = {}): Buffer {
  const summary = shape.subject ?? `Message ${n}`;
  const missing = Math.max(0, Math.min(shape.size ?? 0, MOST_BYTES) - 500);
  return lines([
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//test//objects//EN',
    'BEGIN:VEVENT',
    `UID:event-${n}@old.test`,
    'DTSTAMP:20140513T165320Z',
    'DTSTART:20300513T165320Z',
    'DTEND:20300513T175320Z',
    `SUMMARY:${summary}`,
    `DESCRIPTION:This is message ${n}.${shape.eightBit ? ' Grüße\\, naïve façade €.' : ''}`,
    ...(missing > 0 ? Array.from({ length: Math.ceil(missing / 76) }, (_, i) => `COMMENT:${filler(i)}`) : []),
    'END:VEVENT',
    'END:VCALENDAR',
  ]);
}

export function card(n: number, shape: MessageShape = {}): Buffer {
  const missing = Math.max(0, Math.min(shape.size ?? 0, MOST_BYTES) - 300);
  return lines([
    'BEGIN:VCARD',
    'VERSION:3.0',
    `UID:card-${n}@old.test`,
    `FN:${shape.subject ?? `Message ${n}`}`,
    `N:${n};Message;;;`,
    `EMAIL:sender${n}@old.test`,
    `NOTE:This is message ${n}.${shape.eightBit ? ' Grüße\\, naïve façade €.' : ''}`,
    ...(missing > 0 ? Array.from({ length: Math.ceil(missing / 76) }, (_, i) => `X-FILLER:${filler(i)}`) : []),
    'END:VCARD',
  ]);
}

export function task(n: number): Buffer {
  return lines([
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//test//objects//EN',
    'BEGIN:VTODO',
    `UID:task-${n}@old.test`,
    'DTSTAMP:20140513T165320Z',
    `SUMMARY:Task ${n}`,
    'END:VTODO',
    'END:VCALENDAR',
  ]);
}

export function uidOf(object: Buffer | string): string {
  return /^UID:(.*)$/m.exec(String(object))?.[1]?.trim() ?? '';
}

/** The same lines in any order, folded anyhow, without what servers add. */
export function sameObject(came: Buffer | string, put: Buffer | string): boolean {
  const canonical = (object: Buffer | string): string =>
    String(object)
      .replace(/\r?\n[ \t]/g, '')
      .split(/\r?\n/)
      .filter((line) => line !== '' && !/^(PRODID|DTSTAMP|REV|CREATED|LAST-MODIFIED|X-RADICALE)/i.test(line))
      .sort()
      .join('\n');
  return canonical(came) === canonical(put);
}

function filler(i: number): string {
  return `${String(i).padStart(5, '0')}${'x'.repeat(55)}`;
}

function lines(all: readonly string[]): Buffer {
  return Buffer.from(all.map((line) => `${line}\r\n`).join(''));
}
