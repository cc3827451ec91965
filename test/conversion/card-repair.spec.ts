import { describe, expect, it } from '@jest/globals';
import { prepareForStore, repairedAfterRefusal } from '../../src/conversion/prepare.js';
import { semanticDigest } from '../../src/conversion/semantic/digest.js';
import { STRICTEST } from '../../src/conversion/target-profiles.js';
import { card, CYRUS, find, linesOf, prepare, RADICALE, result, UNKNOWN } from './fixtures.js';

const PHOTO = Buffer.from('ffd8ffe000104a46494600', 'hex').toString('base64');
const ONLY_4 = { ...UNKNOWN, cards: '4.0' as const };

describe('a card that is right', () => {
  it('keeps every line, Apple’s labels and private properties too', () => {
    const bytes = card(
      '3.0',
      'N:Müller;Jörg;;;',
      'FN:Jörg Müller',
      'UID:c1',
      'item1.TEL;type=CELL:+49 1',
      'item1.X-ABLabel:_$!<Home>!$_',
      'X-SKYPE:joerg',
    );
    const { lines, codes } = prepare('card', bytes, CYRUS);
    expect(lines).toEqual(
      linesOf(bytes).map((line) => line.replace('X-ABLabel', 'X-ABLABEL').replace('type=', 'TYPE=')),
    );
    expect(codes).toEqual([]);
  });
});

describe('vCard 2.1', () => {
  const bytes = card(
    ...([
      '2.1',
      'N;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=F6rg',
      'TEL;HOME;VOICE;PREF:1',
      'EMAIL;INTERNET:j@x.test',
    ] as const),
    ...[
      'NOTE;ENCODING=QUOTED-PRINTABLE:line one=0D=0A=',
      'line two, with a comma',
      'ADR;WORK:;;Street 1, left;Town;;1;DE',
    ],
    ...[
      `PHOTO;JPEG;BASE64:${PHOTO.slice(0, 8)}`,
      ` ${PHOTO.slice(8)}`,
      '',
      'CATEGORIES:A;B',
      'X-CUSTOM;ENCODING=QUOTED-PRINTABLE:=C3=BC',
    ],
  );

  it('becomes 3.0: charset, quoted-printable, bare types, photo, categories', () => {
    const { lines, notes } = prepare('card', bytes, CYRUS);
    for (const line of [
      'VERSION:3.0',
      'N:Müller;Jörg',
      'FN:Jörg Müller',
      'TEL;TYPE=home,voice,pref:1',
      'EMAIL;TYPE=internet:j@x.test',
      'NOTE:line one\\nline two\\, with a comma',
      'ADR;TYPE=work:;;Street 1\\, left;Town;;1;DE',
      `PHOTO;ENCODING=b;TYPE=JPEG:${PHOTO}`,
      'CATEGORIES:A,B',
      'X-CUSTOM:ü',
    ])
      expect(lines).toContain(line);
    expect(notes).toMatchObject({ CONVERTED_FORMAT: 'vCard 2.1: 3.0', REQUIRED_ADDED: 'FN', UID_ADDED: undefined });
  });

  it('becomes 4.0 with the same meaning', () => {
    const [three, four] = [prepareForStore('card', bytes, CYRUS), prepareForStore('card', bytes, ONLY_4)];
    if ('refused' in three || 'refused' in four) throw new Error('refused');
    expect(linesOf(four.bytes)).toEqual(
      expect.arrayContaining([`PHOTO:data:image/jpeg;base64,${PHOTO}`, 'TEL;TYPE=home,voice;PREF=1:1']),
    );
    const uidless = (one: Uint8Array) =>
      semanticDigest(
        Buffer.from(
          Buffer.from(one)
            .toString()
            .replace(/\r\nUID:[^\r]*/, ''),
        ),
      );
    expect(uidless(four.bytes)).toBe(uidless(three.bytes));
  });
});

describe('vCard 3.0 and 4.0', () => {
  const four = card(
    ...([
      '4.0',
      'UID:urn:uuid:11111111-1111-4111-8111-111111111111',
      'FN:Friends',
      'KIND:group',
      'MEMBER:urn:uuid:22222222-2222-4222-8222-222222222222',
    ] as const),
    ...[
      'TEL;VALUE=uri;TYPE=cell:tel:+1-555',
      `PHOTO:data:image/png;base64,${PHOTO}`,
      'BDAY:--0412',
      'ANNIVERSARY:20010203',
      'GENDER:F',
    ],
    ...[
      'ADR;TYPE=home;LABEL="Street 1\\nTown":;;Street 1;Town;;;',
      'EMAIL;PREF=1:f@x.test',
      'GEO:geo:52.5,13.4',
      'NICKNAME:a,b',
    ],
  );

  it('a number that is written as an address keeps its parameters', () => {
    // RFC 6350 section 6.4.1
    const number = 'TEL;VALUE=uri;PREF=1;TYPE="voice,home":tel:+1-555-555-5555;ext=5555';
    const bytes = card('4.0', 'UID:u', 'FN:Anna', number, 'TEL;VALUE=uri:tel:+1-555\\;ext=7', 'TEL:+49 1;2');
    const { lines, notes } = prepare('card', bytes);
    expect(find(lines, 'TEL')).toEqual([number, 'TEL;VALUE=uri:tel:+1-555;ext=7', 'TEL:+49 1\\;2']);
    expect(notes).toEqual({ REPAIRED_VALUE: 'TEL' });
    expect(find(prepare('card', bytes, CYRUS).lines, 'TEL')).toContain(
      'TEL;TYPE=voice,home,pref:+1-555-555-5555\\;ext=5555',
    );
  });

  it('4.0 becomes 3.0 for Cyrus in Apple’s spelling, nothing left out', () => {
    const { lines, codes } = prepare('card', four, CYRUS);
    for (const line of [
      'X-ADDRESSBOOKSERVER-KIND:group',
      'X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:22222222-2222-4222-8222-222222222222',
      'TEL;TYPE=cell:+1-555',
      `PHOTO;ENCODING=b;TYPE=PNG:${PHOTO}`,
      'BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12',
      'X-ANNIVERSARY:2001-02-03',
      'X-GENDER:F',
      'LABEL;TYPE=home:Street 1\\nTown',
      'EMAIL;TYPE=pref:f@x.test',
      'GEO:52.5;13.4',
      'N:Friends;;;;',
    ])
      expect(lines).toContain(line);
    expect(codes).toEqual(['CONVERTED_FORMAT', 'REQUIRED_ADDED']);
  });

  it('there and back means the same', () => {
    const three = prepareForStore('card', four, CYRUS);
    if ('refused' in three) throw new Error('refused');
    const back = prepareForStore('card', three.bytes, ONLY_4);
    if ('refused' in back) throw new Error('refused');
    expect(semanticDigest(back.bytes)).toBe(semanticDigest(three.bytes));
    for (const line of [
      'KIND:group',
      'BDAY:--0412',
      'ANNIVERSARY:20010203',
      'GEO:geo:52.5,13.4',
      'EMAIL;PREF=1:f@x.test',
    ])
      expect(linesOf(back.bytes)).toContain(line);
    expect(linesOf(back.bytes).join('\n')).toContain('ADR;TYPE=home;LABEL=Street 1\\nTown:');
  });

  it('4.0 stays 4.0 where it may, with N only where it must be', () => {
    expect(find(prepare('card', four, UNKNOWN).lines, 'N')).toEqual([]);
    expect(find(prepare('card', four, RADICALE).lines, 'N')).toEqual(['N:Friends;;;;']);
  });
});

describe('what is missing or too much', () => {
  it('names are made from what is there, a UID from the content', () => {
    const names = (...lines: string[]) => find(prepare('card', card('3.0', ...lines), CYRUS).lines, 'FN')[0];
    expect(names('N:Doe;John;Q.;Dr.;Jr.')).toBe('FN:Dr. John Q. Doe Jr.');
    expect(names('ORG:Acme\\, Inc.;Sales')).toBe('FN:Acme\\, Inc.');
    expect(names('EMAIL:a@x.test')).toBe('FN:a@x.test');
    expect(names('NOTE:nobody')).toBe('FN:Unnamed');
    const uid = () => prepare('card', card('3.0', 'FN:A', 'N:A;;;;')).uid;
    expect(uid()).toBe(uid());
  });

  it('two cards in one become two; a second one with the same UID gets its own', () => {
    const one = card('3.0', 'UID:same', 'FN:A', 'N:A;;;;');
    const { uid, also } = prepare('card', Buffer.concat([one, card('3.0', 'UID:same', 'FN:B', 'N:B;;;;')]), CYRUS);
    expect(uid).toBe('same');
    expect(also).toHaveLength(1);
    expect(also[0]!.uid).not.toBe('same');
    expect(result(also[0]!).codes).toEqual(['SEVERAL_IN_ONE', 'UID_CHANGED']);
  });

  it('escapes that servers break are written as the standard wants', () => {
    const { lines, notes } = prepare(
      'card',
      card('3.0', 'UID:e', 'FN:A, B', 'N:A;;;;', 'URL:http\\://x.test/a\\,b', 'NOTE:C:\\temp'),
      RADICALE,
    );
    expect(lines).toEqual(expect.arrayContaining(['FN:A\\, B', 'URL:http://x.test/a\\,b', 'NOTE:C:\\\\temp']));
    expect(notes['REPAIRED_VALUE']).toBe('FN, URL, NOTE');
  });

  it('after a refusal: doubles and 4.0 first, then pictures and private properties, then nothing', () => {
    const bytes = card(
      '4.0',
      'UID:r',
      'FN:A',
      'N:A;;;;',
      'N:B;;;;',
      'X-PRIVATE:1',
      `PHOTO:data:image/png;base64,${PHOTO}`,
    );
    const strict = repairedAfterRefusal('card', bytes)!;
    expect(result(strict).notes).toEqual({ CONVERTED_FORMAT: 'vCard 4.0: 3.0', PROPERTY_DROPPED: 'N' });
    const bare = repairedAfterRefusal('card', strict.bytes)!;
    expect(result(bare).notes).toEqual({ PROPERTY_DROPPED: 'X-PRIVATE, PHOTO' });
    expect(repairedAfterRefusal('card', bare.bytes)).toBeNull();
    expect(STRICTEST.cards).toBe('3.0');
  });

  it('no card is refused by name', () => {
    expect(prepareForStore('card', Buffer.from('hello'), CYRUS)).toMatchObject({ refused: 'NOT_CARD' });
  });
});
