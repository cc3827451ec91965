import { describe, expect, it } from '@jest/globals';
import { prepareForStore, repairedAfterRefusal } from '../../src/conversion/prepare.js';
import { semanticDigest } from '../../src/conversion/semantic/digest.js';
import { calendar, CYRUS, event, find, linesOf, prepare, RADICALE, result, text } from './fixtures.js';

describe('an event that is right', () => {
  it('keeps every line in its place, and nothing is noted', () => {
    const lines = [
      'SUMMARY:Grüße\\, Bob',
      'X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC',
      'ATTACH:http://old.test/a.pdf',
    ];
    const { lines: out, codes } = prepare('calendar', event(...lines));
    expect(out).toEqual(linesOf(event(...lines)));
    expect(codes).toEqual([]);
  });

  it('keeps a comma in a category, but where the new server would cut it: then it is cut and told', () => {
    const lines = ['CATEGORIES:Team\\, inner,Other', 'SUMMARY:a\\, b'];
    expect(prepare('calendar', event(...lines), RADICALE)).toMatchObject({ codes: [] });
    const { lines: out, codes } = prepare('calendar', event(...lines), CYRUS);
    expect(find(out, 'CATEGORIES')).toEqual(['CATEGORIES:Team,inner,Other']);
    expect(find(out, 'SUMMARY')).toEqual(['SUMMARY:a\\, b']);
    expect(codes).toContain('CATEGORY_SPLIT');
    expect(prepare('calendar', event('CATEGORIES:a\\;b,c'), CYRUS).codes).not.toContain('CATEGORY_SPLIT');
  });

  it('is prepared once: prepared bytes stay as they are', () => {
    for (const bytes of [
      event('ATTENDEE:mailto:a@x.test'),
      event('DTSTART;TZID=W. Europe Standard Time:20250110T090000'),
    ]) {
      const once = prepareForStore('calendar', bytes, CYRUS);
      if ('refused' in once) throw new Error(once.refused);
      const twice = prepareForStore('calendar', once.bytes, CYRUS);
      if ('refused' in twice) throw new Error(twice.refused);
      expect(twice.notes).toEqual([]);
      expect(Buffer.from(twice.bytes).equals(Buffer.from(once.bytes))).toBe(true);
    }
  });

  it('keeps floating times and whole days', () => {
    const { lines, codes } = prepare(
      'calendar',
      event('DTSTART:20250110T090000', 'DTEND:20250110T100000', 'EXDATE:20250111T090000'),
    );
    expect(find(lines, 'DTSTART')).toEqual(['DTSTART:20250110T090000']);
    expect(codes).toEqual([]);
    const day = prepare('calendar', event('DTSTART;VALUE=DATE:20250110', 'RRULE:FREQ=YEARLY'), CYRUS);
    expect(find(day.lines, 'DTSTART')).toEqual(['DTSTART;VALUE=DATE:20250110']);
    expect(day.codes).toEqual([]);
  });
});

describe('nobody is notified', () => {
  it('SCHEDULE-AGENT=NONE stands on every attendee and organizer, on those of exceptions too, and not on alarms', () => {
    const bytes = calendar(
      ...[
        'BEGIN:VEVENT',
        'UID:m',
        'DTSTAMP:20240101T000000Z',
        'DTSTART:20250110T090000Z',
        'DURATION:PT1H',
        'RRULE:FREQ=DAILY',
      ],
      ...[
        'ORGANIZER;CN="Chef, der":mailto:boss@x.test',
        'ATTENDEE;SCHEDULE-AGENT=SERVER;SCHEDULE-FORCE-SEND=REQUEST:mailto:a@x.test',
      ],
      ...[
        'BEGIN:VALARM',
        'ACTION:EMAIL',
        'TRIGGER:-PT5M',
        'SUMMARY:s',
        'DESCRIPTION:d',
        'ATTENDEE:mailto:me@x.test',
        'END:VALARM',
      ],
      'END:VEVENT',
      ...[
        'BEGIN:VEVENT',
        'UID:m',
        'DTSTAMP:20240101T000000Z',
        'RECURRENCE-ID:20250111T090000Z',
        'DTSTART:20250111T100000Z',
      ],
      ...['DURATION:PT1H', 'ATTENDEE:mailto:b@x.test', 'END:VEVENT'],
    );
    const { lines, codes } = prepare('calendar', bytes);
    expect(find(lines, 'ORGANIZER')).toEqual(['ORGANIZER;CN="Chef, der";SCHEDULE-AGENT=NONE:mailto:boss@x.test']);
    expect(find(lines, 'ATTENDEE')).toEqual([
      'ATTENDEE;SCHEDULE-AGENT=NONE:mailto:a@x.test',
      'ATTENDEE:mailto:me@x.test',
      'ATTENDEE;SCHEDULE-AGENT=NONE:mailto:b@x.test',
    ]);
    expect(codes).toEqual(['SCHEDULING_SILENCED']);
  });

  it('METHOD goes, and what belongs to the collection', () => {
    const { lines, codes } = prepare(
      'calendar',
      calendar('METHOD:REQUEST', 'X-WR-CALNAME:Mine', ...linesOf(event()).slice(3, -1)),
    );
    expect(lines.join()).not.toMatch(/METHOD|CALNAME/);
    expect(codes).toEqual(['METHOD_REMOVED']);
  });
});

describe('what is missing', () => {
  it('a UID is made from the content, the same every time', () => {
    const bytes = text(
      'BEGIN:VCALENDAR',
      'BEGIN:VEVENT',
      'DTSTART:20250110T090000Z',
      'SUMMARY:a',
      'END:VEVENT',
      'END:VCALENDAR',
    );
    const [one, two] = [prepare('calendar', bytes), prepare('calendar', bytes)];
    expect(one.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(two.lines).toEqual(one.lines);
    expect(find(one.lines, 'UID')).toEqual([`UID:${one.uid}`]);
    expect(one.notes).toEqual({ UID_ADDED: undefined, REQUIRED_ADDED: 'DTSTAMP, VERSION, PRODID' });
    const other = Buffer.from(bytes.toString().replace('SUMMARY:a', 'SUMMARY:b'));
    expect(prepare('calendar', other).uid).not.toBe(one.uid);
  });

  it('a start comes from the likeliest other date, and without any the event is refused with its reason', () => {
    const bare = (line: string) => calendar('BEGIN:VEVENT', 'UID:x', line, 'SUMMARY:s', 'END:VEVENT');
    const { lines, notes } = prepare('calendar', bare('DTEND;VALUE=DATE:20250110'));
    expect(find(lines, 'DTSTART')).toEqual(['DTSTART;VALUE=DATE:20250110']);
    expect(notes['START_ADDED']).toBe('DTEND');
    expect(prepareForStore('calendar', bare('LOCATION:l'), CYRUS)).toMatchObject({ refused: 'EVENT_WITHOUT_START' });
  });

  it('an end after the start, where Cyrus wants one', () => {
    const ends: [string[], string | undefined, string | undefined][] = [
      [['DTSTART:20250110T090000Z'], 'DURATION:PT1S', 'one second'],
      [['DTSTART:20250110T090000Z', 'DTEND:20250110T090000Z'], 'DURATION:PT1S', 'one second'],
      [['DTSTART:20250110T090000Z', 'DTEND;TZID=Europe/Berlin:20250110T093000'], 'DURATION:PT1S', 'one second'],
      [['DTSTART;VALUE=DATE:20250110', 'DTEND;VALUE=DATE:20250110'], 'DURATION:P1D', '1 day'],
      [['DTSTART;VALUE=DATE:20250110', 'DURATION:PT172800S'], 'DURATION:P2D', '2 days'],
      [['DTSTART;VALUE=DATE:20250110'], undefined, undefined],
    ];
    for (const [given, duration, detail] of ends) {
      const { lines, notes } = prepare('calendar', event(...given), CYRUS);
      expect([given, find(lines, 'DURATION')]).toEqual([given, duration === undefined ? [] : [duration]]);
      if (duration !== undefined) expect(find(lines, 'DTEND')).toEqual([]);
      expect(notes['END_CHANGED']).toBe(detail);
      expect(prepare('calendar', event(...given), RADICALE).codes).not.toContain('END_CHANGED');
    }
  });

  it('a series for exceptions that came without it has just their dates', () => {
    const override = (id: string, start: string) =>
      `BEGIN:VEVENT\r\nUID:o\r\nDTSTAMP:20240101T000000Z\r\nRECURRENCE-ID:${id}\r\nDTSTART:${start}\r\nDURATION:PT2H\r\nEND:VEVENT`;
    const bytes = calendar(
      override('20250117T090000Z', '20250117T110000Z'),
      override('20250110T090000Z', '20250110T100000Z'),
    );
    expect(prepare('calendar', bytes, CYRUS).codes).toEqual([]);
    const { lines, codes } = prepare('calendar', bytes, RADICALE);
    expect(codes).toEqual(['SERIES_ADDED']);
    expect(find(lines, 'DTSTART')[0]).toBe('DTSTART:20250110T090000Z');
    expect(find(lines, 'RDATE')).toEqual(['RDATE:20250117T090000Z']);
    expect(find(lines, 'RECURRENCE-ID')).toHaveLength(2);
  });
});

describe('dates and rules', () => {
  it('dates in other spellings are read, others left out by name', () => {
    const { lines, notes } = prepare(
      'calendar',
      event(
        'DTSTART:2025-01-10T09:00:00Z',
        'DTEND;VALUE=DATE-TIME:20250110T1000Z',
        'CREATED:yesterday',
        'EXDATE:20250231T090000Z',
        'LAST-MODIFIED:20250101T120000+0200',
      ),
    );
    expect(find(lines, 'DTSTART')).toEqual(['DTSTART:20250110T090000Z']);
    expect(find(lines, 'DTEND')).toEqual(['DTEND;VALUE=DATE-TIME:20250110T100000Z']);
    expect(find(lines, 'LAST-MODIFIED')).toEqual(['LAST-MODIFIED:20250101T100000Z']);
    expect(notes['DATE_DROPPED']).toBe('CREATED yesterday, EXDATE 20250231T090000Z');
    const day = prepare('calendar', event('DTSTART:20250110', 'DTEND;TZID=Europe/Berlin;VALUE=DATE:20250111'));
    expect(find(day.lines, 'DTSTART')).toEqual(['DTSTART;VALUE=DATE:20250110']);
    expect(find(day.lines, 'DTEND')).toEqual(['DTEND;VALUE=DATE:20250111']);
  });

  it.each([
    ['FREQ=DAILY;COUNT=3;UNTIL=20250301T000000Z', 'FREQ=DAILY;UNTIL=20250301T000000Z'],
    ['freq=weekly;interval=0;byday=mo,tu;', 'FREQ=WEEKLY;BYDAY=MO,TU'],
    ['FREQ=MONTHLY;BYMONTHDAY=32', null],
    ['FREQ=SOMETIMES', null],
    ['garbage', null],
  ])('the rule %s becomes %s', (rule, mended) => {
    const { lines, notes } = prepare('calendar', event(`RRULE:${rule}`));
    expect(find(lines, 'RRULE')).toEqual(mended === null ? [] : [`RRULE:${mended}`]);
    if (mended === null) expect(notes['RULE_DROPPED']).toBe(`RRULE:${rule}`);
    else expect(notes).toHaveProperty('RULE_REPAIRED');
  });

  it('a rule for every second without end is taken as it is and never expanded', () => {
    const { lines, codes } = prepare('calendar', event('RRULE:FREQ=SECONDLY'));
    expect(find(lines, 'RRULE')).toEqual(['RRULE:FREQ=SECONDLY']);
    expect(codes).toEqual([]);
    expect(semanticDigest(event('RRULE:FREQ=SECONDLY'))).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('several in one', () => {
  it('two UIDs, and an event and a task, become an object each', () => {
    const [a, b, todo] = ['VEVENT', 'VEVENT', 'VTODO'].map(
      (name, i) => `BEGIN:${name}\r\nUID:u${i}\r\nDTSTAMP:20240101T000000Z\r\nDTSTART:20250110T090000Z\r\nEND:${name}`,
    );
    const { uid, also, codes } = prepare('calendar', calendar(a!, b!, todo!));
    expect([uid, ...also.map((one) => one.uid)]).toEqual(['u0', 'u1', 'u2']);
    expect(also.at(-1)!.component).toBe('VTODO');
    expect(codes).toEqual(['SEVERAL_IN_ONE']);
  });

  it('an equal copy goes, an older edition goes, and another event with the same UID gets one of its own', () => {
    const one = (...lines: string[]) =>
      ['BEGIN:VEVENT', 'UID:u', 'DTSTAMP:20240101T000000Z', 'DTSTART:20250110T090000Z', ...lines, 'END:VEVENT'].join(
        '\r\n',
      );
    expect(prepare('calendar', calendar(one(), one())).codes).toEqual(['DUPLICATE_DROPPED']);
    const edition = prepare('calendar', calendar(one('SEQUENCE:2', 'SUMMARY:new'), one('SEQUENCE:1', 'SUMMARY:old')));
    expect(find(edition.lines, 'SUMMARY')).toEqual(['SUMMARY:new']);
    const other = prepare('calendar', calendar(one('SUMMARY:a'), one('SUMMARY:b')));
    expect(other.also).toHaveLength(1);
    expect(result(other.also[0]!).codes).toEqual(['SEVERAL_IN_ONE', 'UID_CHANGED']);
    expect(other.also[0]!.uid).not.toBe('u');
  });
});

describe('an exception of a date that nobody can read', () => {
  const series = [
    ...['BEGIN:VEVENT', 'UID:s', 'DTSTAMP:20250101T000000Z', 'DTSTART:20250106T090000Z', 'DURATION:PT1H'],
    ...['RRULE:FREQ=WEEKLY', 'SUMMARY:series', 'END:VEVENT'],
  ];
  const moved = (id: string, summary = 'moved'): string[] => [
    ...['BEGIN:VEVENT', 'UID:s', 'DTSTAMP:20250201T000000Z', 'SEQUENCE:1', id],
    ...['DTSTART:20250303T110000Z', 'DURATION:PT1H', `SUMMARY:${summary}`, 'END:VEVENT'],
  ];

  it.each([
    ['behind the series', (id: string) => [...series, ...moved(id)]],
    ['before it', (id: string) => [...moved(id), ...series]],
  ])('is an event of its own and never takes the place of the series: %s', (_, lines) => {
    for (const id of ['RECURRENCE-ID:20250230T090000Z', 'RECURRENCE-ID:', 'RECURRENCE-ID;RANGE=THISANDFUTURE:soon']) {
      const { uid, lines: out, notes, also } = prepare('calendar', calendar(...lines(id)));
      expect(uid).toBe('s');
      expect(find(out, 'RRULE')).toEqual(['RRULE:FREQ=WEEKLY']);
      expect(find(out, 'SUMMARY')).toEqual(['SUMMARY:series']);
      expect(notes).toMatchObject({ SEVERAL_IN_ONE: undefined });
      expect(also).toHaveLength(1);
      const single = result(also[0]!);
      expect(single.uid).not.toBe('s');
      expect(find(single.lines, 'SUMMARY')).toEqual(['SUMMARY:moved']);
      expect(find(single.lines, 'RECURRENCE-ID')).toEqual([]);
      expect(Object.keys(single.notes)).toEqual(expect.arrayContaining(['UID_CHANGED', 'DATE_DROPPED']));
    }
  });

  it('stays beside others of its kind, and beside exceptions that came without their series', () => {
    const lines = [
      ...moved('RECURRENCE-ID:20250230T090000Z', 'a'),
      ...moved('RECURRENCE-ID:20250231T090000Z', 'b'),
      ...moved('RECURRENCE-ID:20250303T090000Z', 'c'),
    ];
    const { lines: out, also } = prepare('calendar', calendar(...lines));
    expect(find(out, 'RECURRENCE-ID')).toEqual(['RECURRENCE-ID:20250303T090000Z']);
    expect(also.flatMap((one) => find(result(one).lines, 'SUMMARY'))).toEqual(['SUMMARY:a', 'SUMMARY:b']);
    expect(new Set(also.map(({ uid }) => uid)).size).toBe(2);
  });

  it('is an exception where the date is in another spelling, or a period begins with it', () => {
    for (const id of ['RECURRENCE-ID:2025-03-03T09:00:00Z', 'RECURRENCE-ID;VALUE=PERIOD:20250303T090000Z/PT1H']) {
      const { lines, also } = prepare('calendar', calendar(...series, ...moved(id)));
      expect(also).toEqual([]);
      expect(find(lines, 'RECURRENCE-ID')).toEqual(['RECURRENCE-ID:20250303T090000Z']);
      expect(find(lines, 'SUMMARY')).toEqual(['SUMMARY:series', 'SUMMARY:moved']);
    }
  });
});

describe('what may stand several times', () => {
  it('texts of a journal stay, all of them; of an event the first one', () => {
    const texts = ['DESCRIPTION:first', 'DESCRIPTION:second'];
    const journal = calendar('BEGIN:VJOURNAL', 'UID:j', 'DTSTAMP:20250101T000000Z', ...texts, 'END:VJOURNAL');
    const { lines, codes } = prepare('calendar', journal);
    expect(find(lines, 'DESCRIPTION')).toEqual(texts);
    expect(codes).toEqual([]);
    expect(prepare('calendar', event(...texts)).notes).toEqual({ PROPERTY_DROPPED: 'DESCRIPTION' });
  });

  it('a series may leave out thousands of its dates; hundreds of thousands would hold up everybody', () => {
    const without = (n: number): Buffer =>
      event('RRULE:FREQ=DAILY', `EXDATE:${Array.from({ length: n }, () => '20250111T090000Z').join(',')}`);
    expect(prepare('calendar', without(10_000)).codes).toEqual([]);
    expect(prepareForStore('calendar', without(400_000), CYRUS)).toMatchObject({ refused: 'OBJECT_TOO_COMPLEX' });
    expect(semanticDigest(without(400_000))).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    ['equal ones', () => 'SUMMARY:x', 0],
    ['ones that say different things', (n: number) => `SUMMARY:${n}`, 18_999],
  ])('and of thousands of events with one UID each is looked at once: %s', (_, summary, others) => {
    const one = ['BEGIN:VEVENT', 'UID:q', 'DTSTAMP:20250101T000000Z', 'DTSTART:20250106T090000Z'];
    const all = Array.from({ length: 19_000 }, (__, n) => [...one, summary(n), 'END:VEVENT'].join('\r\n'));
    const { lines, also } = prepare('calendar', calendar(all.join('\r\n')));
    expect(find(lines, 'UID')).toEqual(['UID:q']);
    expect(also).toHaveLength(others);
  });
});

describe('after a refusal', () => {
  it('strict first, then bare, then nothing is left; each step says what it changed', () => {
    const bytes = event(
      'PRIORITY:high',
      'X-OLD:1',
      'BEGIN:VALARM',
      'ACTION:DISPLAY',
      'END:VALARM',
      'EXDATE;TZID=Europe/Berlin:20250111T100000',
    );
    const first = prepareForStore('calendar', bytes, RADICALE);
    if ('refused' in first) throw new Error(first.refused);
    expect(result(first).codes).toEqual(['ZONE_ADDED']);
    const strict = repairedAfterRefusal('calendar', first.bytes)!;
    expect(result(strict).notes).toEqual({
      PROPERTY_DROPPED: 'PRIORITY',
      DATE_REPAIRED: 'EXDATE',
      ALARM_DROPPED: undefined,
    });
    expect(find(result(strict).lines, 'EXDATE')).toEqual(['EXDATE:20250111T090000Z']);
    const bare = repairedAfterRefusal('calendar', strict.bytes)!;
    expect(result(bare).notes).toEqual({ PROPERTY_DROPPED: 'X-OLD' });
    expect(repairedAfterRefusal('calendar', bare.bytes)).toBeNull();
  });
});

describe('bytes', () => {
  it('Latin-1, control characters, line ends and stray lines are mended and named', () => {
    const raw = Buffer.concat([
      Buffer.from(
        'BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20240101T000000Z\nDTSTART:20250110T090000Z\nSUMMARY:Gr',
      ),
      Buffer.from([0xfc, 0xdf, 0x65, 0x07]),
      Buffer.from('\nDESCRIPTION:first\nsecond line, with a comma\nEND:VEVENT\nEND:VCALENDAR\n'),
    ]);
    const { lines, codes } = prepare('calendar', raw);
    expect(find(lines, 'SUMMARY')).toEqual(['SUMMARY:Grüße']);
    expect(find(lines, 'DESCRIPTION')).toEqual(['DESCRIPTION:first\\nsecond line\\, with a comma']);
    expect(codes.sort()).toEqual(['REPAIRED_CHARSET', 'REPAIRED_CONTROL', 'REPAIRED_FOLDING', 'REPAIRED_VALUE']);
  });

  it('a fold inside a character and in front of the colon is undone; lines are folded at 75 octets', () => {
    const summary = 'ä'.repeat(100);
    const bytes = Buffer.from(
      event(`SUMMARY:${summary}`).toString('latin1').replace('Ã¤Ã¤Ã¤', 'Ã¤Ã\r\n ¤Ã¤').replace('UID:', 'UID\r\n :'),
      'latin1',
    );
    const prepared = prepareForStore('calendar', bytes, RADICALE);
    if ('refused' in prepared) throw new Error(prepared.refused);
    expect(find(linesOf(prepared.bytes), 'SUMMARY')).toEqual([`SUMMARY:${summary}`]);
    expect(prepared.uid).toBe('one@old.test');
    for (const line of Buffer.from(prepared.bytes).toString('latin1').split('\r\n'))
      expect(line.length).toBeLessThanOrEqual(75);
  });

  it('base64 without folds or with lines of its own stays the same bytes, and a URI is kept and never fetched', () => {
    const data = Buffer.alloc(300, 7).toString('base64');
    const broken = `ATTACH;ENCODING=BASE64;VALUE=BINARY:${data.slice(0, 100)}\r\n${data.slice(100, 200)}\r\n${data.slice(200)}`;
    const { lines, codes } = prepare('calendar', event(broken, 'ATTACH:http://127.0.0.1:1/never'));
    expect(find(lines, 'ATTACH')).toEqual([
      `ATTACH;ENCODING=BASE64;VALUE=BINARY:${data}`,
      'ATTACH:http://127.0.0.1:1/never',
    ]);
    expect(codes).toEqual(['REPAIRED_FOLDING']);
  });

  it('what is too large, too deep or no calendar is refused by name', () => {
    const refusal = (bytes: Uint8Array) => prepareForStore('calendar', bytes, CYRUS);
    expect(refusal(Buffer.alloc(100 * 1024 * 1024, 'A'))).toMatchObject({ refused: 'OBJECT_TOO_LARGE' });
    expect(refusal(Buffer.from('BEGIN:VCALENDAR\n'.repeat(100)))).toMatchObject({ refused: 'OBJECT_TOO_COMPLEX' });
    expect(refusal(Buffer.from('<html>\n<p>Not found</p>'))).toMatchObject({ refused: 'NOT_CALENDAR' });
    expect(refusal(calendar('BEGIN:VFREEBUSY', 'END:VFREEBUSY'))).toMatchObject({ refused: 'OBJECT_EMPTY' });
  });

  it('5,000 attendees pass whole', () => {
    const attendees = Array.from({ length: 5_000 }, (_, i) => `ATTENDEE;CN="Guest ${i}":mailto:guest${i}@x.test`);
    const { lines } = prepare('calendar', event(...attendees));
    expect(find(lines, 'ATTENDEE').filter((line) => line.includes('SCHEDULE-AGENT=NONE'))).toHaveLength(5_000);
  });
});

describe('iCalendar 1.0', () => {
  it('becomes 2.0: rules, alarms, attendees, quoted-printable, categories', () => {
    const bytes = text(
      ...[
        'BEGIN:VCALENDAR',
        'VERSION:1.0',
        'PRODID:x',
        'TZ:+01',
        'BEGIN:VEVENT',
        'UID:v1',
        'DTSTART:20250110T090000',
        'DTEND:20250110T100000',
      ],
      ...['SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Gr=C3=BC=C3=9F=', 'e, Bob', 'CATEGORIES:A;B', 'TRANSP:1'],
      ...[
        'DALARM:20250110T080000Z;PT5M;2;Wake, up',
        'ATTENDEE;ROLE=OWNER:Boss <boss@x.test>',
        'ATTENDEE;STATUS=ACCEPTED;RSVP=YES:a@x.test',
      ],
      ...['END:VEVENT', 'END:VCALENDAR'],
    );
    const { lines, notes } = prepare('calendar', bytes);
    expect(notes['CONVERTED_FORMAT']).toBe('iCalendar 1.0: 2.0');
    for (const line of [
      'VERSION:2.0',
      'DTSTART:20250110T080000Z',
      'SUMMARY:Grüße\\, Bob',
      'CATEGORIES:A,B',
      'TRANSP:TRANSPARENT',
      'TRIGGER;VALUE=DATE-TIME:20250110T080000Z',
      'DESCRIPTION:Wake\\, up',
      'ORGANIZER;CN=Boss;SCHEDULE-AGENT=NONE:mailto:boss@x.test',
      'ATTENDEE;PARTSTAT=ACCEPTED;RSVP=TRUE;SCHEDULE-AGENT=NONE:mailto:a@x.test',
    ])
      expect(lines).toContain(line);
  });

  it.each([
    ['D2 #5', 'FREQ=DAILY;INTERVAL=2;COUNT=5'],
    ['W1 MO FR 19991224T000000Z', 'FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=19991224T000000Z'],
    ['MP1 1+ SU 1- SA #0', 'FREQ=MONTHLY;BYDAY=1SU,-1SA'],
    ['MD1 15 LD #3', 'FREQ=MONTHLY;BYMONTHDAY=15,-1;COUNT=3'],
    ['YM1 6 7 #0', 'FREQ=YEARLY;BYMONTH=6,7'],
    ['YD1 100', 'FREQ=YEARLY;BYYEARDAY=100;COUNT=2'],
  ])('the rule %s becomes %s', (old, rule) => {
    const bytes = text(
      'BEGIN:VCALENDAR',
      'VERSION:1.0',
      'BEGIN:VEVENT',
      'UID:r',
      'DTSTART:20250110T090000Z',
      `RRULE:${old}`,
      'END:VEVENT',
      'END:VCALENDAR',
    );
    expect(find(prepare('calendar', bytes).lines, 'RRULE')).toEqual([`RRULE:${rule}`]);
  });
});

describe('after a refusal, a series', () => {
  it('has exceptions whose dates are written as its start is, without rules of their own', () => {
    const bytes = calendar(
      ...[
        'BEGIN:VEVENT',
        'UID:s',
        'DTSTAMP:20240101T000000Z',
        'DTSTART:20250110T090000Z',
        'DURATION:PT1H',
        'RRULE:FREQ=DAILY',
        'END:VEVENT',
      ],
      ...['BEGIN:VEVENT', 'UID:s', 'DTSTAMP:20240101T000000Z', 'RECURRENCE-ID;TZID=Europe/Berlin:20250111T100000'],
      ...['DTSTART;TZID=Europe/Berlin:20250111T120000', 'DURATION:PT1H', 'RDATE:20250112T090000Z', 'END:VEVENT'],
    );
    const first = prepareForStore('calendar', bytes, RADICALE);
    if ('refused' in first) throw new Error(first.refused);
    const { lines, notes } = result(repairedAfterRefusal('calendar', first.bytes)!);
    expect(find(lines, 'RECURRENCE-ID')).toEqual(['RECURRENCE-ID:20250111T090000Z']);
    expect(notes).toEqual({ DATE_REPAIRED: 'RDATE, RECURRENCE-ID', PROPERTY_DROPPED: 'RDATE' });
  });
});
