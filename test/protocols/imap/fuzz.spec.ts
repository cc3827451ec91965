import { Duplex, PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ImapConnection } from '../../../src/protocols/imap/connection.js';
import { ImapFailure } from '../../../src/protocols/imap/failure.js';
import { headerText } from '../../../src/protocols/imap/header-text.js';
import { formatInternalDate, parseInternalDate } from '../../../src/protocols/imap/internal-date.js';
import { decodeMailboxName, encodeMailboxName } from '../../../src/protocols/imap/modified-utf7.js';
import { parseResponse } from '../../../src/protocols/imap/parse.js';
import { expandSequenceSet, toSequenceSets } from '../../../src/protocols/imap/sequence-set.js';
import { fetchBodies } from '../../../src/protocols/imap/commands/fetch-bodies.js';
import { fetchMetadata, fetchUidsAt } from '../../../src/protocols/imap/commands/fetch-metadata.js';
import { list } from '../../../src/protocols/imap/commands/list.js';
import { select } from '../../../src/protocols/imap/commands/select.js';
import { status } from '../../../src/protocols/imap/commands/status.js';
import { WIRE_LIMITS } from '../../../src/protocols/imap/limits.js';

/** Pieces of IMAP in any order, so that the fuzzer gets past the first byte. */
const wire = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '* ',
        '(',
        ')',
        '"',
        '\\',
        ' ',
        '\r\n',
        '\n',
        '{3}\r\n',
        '{0}\r\n',
        '{99999999999999999999}\r\n',
        '~{2}\r\n',
        'FETCH ',
        '1 ',
        'UID ',
        'BODY[] ',
        'BODY[',
        ']',
        'FLAGS (\\Seen) ',
        'RFC822.SIZE 5 ',
        'NIL',
        'F1 OK',
        'F1 NO [X] y',
        'F2 BAD',
        '+ ',
        'OK [UIDVALIDITY 1]',
        'BYE',
        'LIST () "/" x',
        '\0',
        '4294967296',
        '* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n',
        'F1 OK done\r\n',
      ),
      fc.string({ maxLength: 8 }),
    ),
    { maxLength: 60 },
  )
  .map((pieces) => pieces.join(''));

function connectionTo(answer: string): ImapConnection {
  const incoming = new PassThrough();
  const socket = Duplex.from({ readable: incoming, writable: new PassThrough().resume() });
  const connection = new ImapConnection(socket, new Set(['LITERAL+']));
  incoming.end(Buffer.from(answer, 'latin1'));
  return connection;
}

describe('whatever a server sends', () => {
  it('a line is parsed or is not IMAP', () => {
    fc.assert(
      fc.property(wire, (line) => {
        try {
          parseResponse([line]);
        } catch (error) {
          expect(error).toBeInstanceOf(ImapFailure);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('a command ends, with an answer or with a failure', async () => {
    const commands = [
      (c: ImapConnection) => select(c, 'INBOX', true),
      (c: ImapConnection) => list(c),
      (c: ImapConnection) => fetchMetadata(c, '1:*', () => undefined),
      (c: ImapConnection) =>
        fetchBodies(c, [1, 2], '', {
          take: async (_uid, _size, bytes) => {
            for await (const piece of bytes) expect(piece.length).toBeGreaterThan(0);
          },
          done: () => undefined,
          discard: () => undefined,
        }),
    ];
    await fc.assert(
      fc.asyncProperty(wire, fc.nat(commands.length - 1), async (answer, which) => {
        try {
          await commands[which]!(connectionTo(answer));
        } catch (error) {
          expect(error).toBeInstanceOf(ImapFailure);
        }
      }),
      { numRuns: 1_500 },
    );
  }, 60_000);

  it('deep lists, and answers of many tokens, have an end', () => {
    for (const line of [`* X ${'('.repeat(1_000)}`, `* X (${'a '.repeat(200_000)})`]) {
      expect(() => parseResponse([line])).toThrow(ImapFailure);
    }
  });
});

/** A server that says the same for ever, as fast as it is read. */
function endless(line: string): { connection: ImapConnection; said: () => number } {
  let said = 0;
  const piece = Buffer.from(line.repeat(Math.max(1, Math.floor(65_536 / line.length))), 'latin1');
  const incoming = new Readable({
    read() {
      said += piece.length;
      this.push(piece);
    },
  });
  const socket = Duplex.from({ readable: incoming, writable: new PassThrough().resume() });
  return { connection: new ImapConnection(socket, new Set(['LITERAL+'])), said: () => said };
}

describe('a server that never comes to an end', () => {
  const fat = 'x'.repeat(400_000);
  it.each<[string, string, (c: ImapConnection) => Promise<unknown>]>([
    ['metadata', `* 1 FETCH (UID 7 RFC822.SIZE 5 X "${fat}")\r\n`, (c) => fetchMetadata(c, '1:*', () => undefined)],
    ['UIDs', `* 1 FETCH (UID 7 X "${fat}")\r\n`, (c) => fetchUidsAt(c, '1:*')],
    ['folders', '* LIST () "/" x\r\n', (c) => list(c)],
    ['codes at an opening', `* OK [X${fat}] more\r\n`, (c) => select(c, 'INBOX', true)],
    ['other folders', `* STATUS x (X "${fat}")\r\n`, (c) => status(c, 'INBOX')],
    ['requests to go on', '+ go on\r\n', (c) => list(c)],
  ])(
    'with %s is left, and what it said is not kept',
    async (_what, line, ask) => {
      const { connection, said } = endless(line);
      const before = process.memoryUsage().heapUsed;
      const kind = await ask(connection).then(
        () => 'an answer',
        (error: unknown) => (error as ImapFailure).kind,
      );
      expect(kind).toMatch(/^(too-large|protocol)$/);
      expect(connection.closed).toBe(true);
      expect(said()).toBeLessThan(WIRE_LIMITS.talkBytes * 1.2);
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(WIRE_LIMITS.talkBytes * 2);
    },
    60_000,
  );

  it('with a mailbox of four thousand million messages is not believed', async () => {
    const failed = select(connectionTo('* 4294967295 EXISTS\r\nF1 OK done\r\n'), 'INBOX', true);
    await expect(failed).rejects.toMatchObject({ kind: 'too-large' });
  });

  it('in the middle of a literal is a connection that is gone, and the body is not used', async () => {
    const used: number[] = [];
    const connection = connectionTo('* 1 FETCH (UID 1 BODY[] {10}\r\nabc');
    const work = fetchBodies(connection, [1], '', {
      async take(_uid, _size, bytes) {
        for await (const piece of bytes) expect(piece.length).toBeLessThan(10);
      },
      done: (uid) => used.push(uid),
      discard: () => undefined,
    });
    await expect(work).rejects.toMatchObject({ kind: 'closed' });
    expect(used).toEqual([]);
  });

  it('and answers about another message or folder than it was asked for is not taken at its word', async () => {
    const taken: number[] = [];
    const other = '* 1 FETCH (UID 99 BODY[] {3}\r\nabc)\r\nF1 OK done\r\n';
    await fetchBodies(connectionTo(other), [1, 2], '', {
      async take(uid) {
        taken.push(uid);
      },
      done: (uid) => taken.push(uid),
      discard: () => undefined,
    });
    expect(taken).toEqual([]);
  });
});

describe('names, sets and dates', () => {
  it('every name comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        expect(decodeMailboxName(encodeMailboxName(name))).toBe(name);
        expect(encodeMailboxName(name)).toMatch(/^[\x20-\x7e]*$/);
      }),
    );
  });

  it('every name of a server can be shown', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (raw) => !decodeMailboxName(raw).includes('\0')));
    expect(decodeMailboxName('a\0b&AAA-')).toBe('a\ufffdb\ufffd');
  });

  it('known names are as RFC 3501 writes them', () => {
    expect(encodeMailboxName('~peter/mail/台北/日本語')).toBe('~peter/mail/&U,BTFw-/&ZeVnLIqe-');
    expect(encodeMailboxName('Grüße & Co')).toBe('Gr&APwA3w-e &- Co');
    expect(decodeMailboxName('&Jjo!')).toBe('&Jjo!');
  });

  it('a set names exactly the numbers it was made of, in pieces that fit', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 5_000 })).map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(numbers, (ascending) => {
        const sets = toSequenceSets(ascending, 40);
        expect(sets.flatMap((set) => expandSequenceSet(set, 10_000))).toEqual(ascending);
        expect(sets.every((set) => set.length <= 40)).toBe(true);
      }),
    );
  });

  it('a set that names too many is refused before they are counted out', () => {
    expect(() => expandSequenceSet('1:4294967295', 1_000)).toThrow(ImapFailure);
  });

  it('a date keeps its moment and its zone', () => {
    const offset = fc.integer({ min: -12 * 60, max: 14 * 60 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), offset, (seconds, minutes) => {
        const date = { seconds, offset: minutes };
        expect(parseInternalDate(formatInternalDate(date))).toEqual(date);
      }),
    );
    expect(formatInternalDate({ seconds: 0, offset: -90 })).toBe('31-Dec-1969 22:30:00 -0130');
    expect(parseInternalDate('Date: (Invalid)')).toBeNull();
  });

  it('a header field is shown without what could harm', () => {
    const header = Buffer.from(
      'From: =?utf-8?B?R3LDvMOfZQ==?=\r\n =?iso-8859-1?Q?_M=FCller?= <x@y>\r\nSubject: a\0\x1b[31mb\r\n',
    );
    expect(headerText(header, 'From')).toBe('Grüße Müller <x@y>');
    expect(headerText(header, 'Subject')).toBe('a  [31mb');
    expect(headerText(header, 'Date')).toBe('');
  });
});
