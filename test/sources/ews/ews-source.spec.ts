import type { SourceFolder } from '../../../src/mailbox/folder.js';
import type { ItemMeta, ReadOutcome } from '../../../src/mailbox/item.js';
import type { EwsSource } from '../../../src/sources/ews/ews-source.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { bytesOf, collect, message } from '../../contracts/messages.js';
import { addContact, addEvent, addMessage, addNote, addTask, folderAt } from '../../servers/ews/fill.js';
import type { Fault } from '../../servers/ews/faults.js';
import { ADDRESS, type EwsGround, ewsGround, PASSWORD, sourceOn } from './ews-mailbox.js';

const signal = new AbortController().signal;

describe('a mailbox of Exchange', () => {
  let ground: EwsGround;
  const open: EwsSource[] = [];
  const source = (more?: Parameters<EwsGround['source']>[0]): EwsSource => {
    const one = ground.source({ patienceMs: 0, ...more });
    open.push(one);
    return one;
  };
  const at = async (from: EwsSource, ...path: string[]): Promise<SourceFolder> => {
    const found = (await from.listFolders(signal)).find((one) => one.path.join('/') === path.join('/'));
    if (!found) throw new Error(`no folder ${path.join('/')}`);
    return found;
  };
  const scan = async (from: EwsSource, folder: SourceFolder): Promise<ItemMeta[]> =>
    (await collect(from.scan(folder, null, signal))).flatMap(({ items }) => items);
  const read = async (from: EwsSource, folder: SourceFolder, items?: readonly ItemMeta[]): Promise<ReadOutcome[]> =>
    collect(from.read(folder, items ?? (await scan(from, folder)), new BodyStaging(), signal));
  const textsOf = async (outcomes: readonly ReadOutcome[]): Promise<string[]> =>
    Promise.all(
      outcomes.map(async (one) => {
        if (one.is !== 'staged') throw new Error(`${one.is} ${one.is === 'unreadable' ? one.error.code : ''}`);
        return (await bytesOf(one.item.body)).toString().replace(/\r\n /g, '');
      }),
    );
  const once = (operation: string, fault: Fault): void => {
    let left = 1;
    ground.server.faults = (asked) => (asked.operation === operation && left-- > 0 ? fault : null);
  };

  beforeEach(async () => {
    ground = await ewsGround();
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    await ground.server.close();
  });

  it('shows folders of every kind with their roles, and neither searches, hidden ones nor what hangs below them', async () => {
    const { box } = ground;
    const hidden = box.addFolder(box.root, 'Conversation Action Settings', {
      folderClass: 'IPF.Configuration',
      hidden: true,
    });
    box.addFolder(hidden, 'Below');
    box.addFolder(box.root, 'Unread', { element: 'SearchFolder' });
    const issues = box.addFolder(box.root, 'Sync Issues', { distinguished: 'syncissues' });
    box.addFolder(issues, 'Conflicts', { distinguished: 'conflicts' });
    box.addFolder(box.root, 'Suggested', { folderClass: 'IPF.Contact.MOC.QuickContacts', element: 'ContactsFolder' });
    folderAt(box, ['INBOX', 'Team', 'Kalender'], { folderClass: 'IPF.Appointment', element: 'CalendarFolder' });
    const folders = await source().listFolders(signal);
    const told = folders.map(({ kind, role = '', path, leftOut, optional }) =>
      [kind, role, path.join('/'), leftOut?.code ?? '', optional ? 'optional' : ''].join(' ').trim(),
    );
    expect(told.sort()).toEqual(
      [
        'calendars  Calendar',
        'calendars  INBOX/Team/Kalender',
        'contacts  Contacts',
        'contacts  Suggested GENERATED_FOLDER',
        'mail  INBOX/Team',
        'mail  Journal KIND_NOT_TAKEN',
        'mail  Outbox  optional',
        'mail  Sync Issues GENERATED_FOLDER',
        'mail  Sync Issues/Conflicts GENERATED_FOLDER',
        'mail drafts Drafts',
        'mail inbox INBOX',
        'mail junk Junk E-Mail',
        'mail sent Sent Items',
        'mail trash Deleted Items',
        'notes  Notes',
        'tasks  Tasks',
      ].sort(),
    );
  });

  it('shows the archive and public folders only where they are asked for', async () => {
    const { box } = ground;
    const archive = box.addRoot('archivemsgfolderroot', 'Top of Information Store');
    addMessage(box, folderAt(box, ['Old'], {}, archive), message(1));
    const everyone = box.addRoot('publicfoldersroot', 'All Public Folders');
    const holidays = folderAt(box, ['Company', 'Holidays'], { folderClass: 'IPF.Appointment' }, everyone);
    addEvent(box, holidays, {
      uid: 'h1',
      subject: 'New year',
      start: '2027-01-01T00:00:00',
      end: '2027-01-02T00:00:00',
      allDay: true,
    });
    expect((await source().listFolders(signal)).map(({ path }) => path[0])).not.toContain('Archive');
    const wide = source({ archive: true, publicFolders: true });
    expect(await read(wide, await at(wide, 'Archive', 'Old'))).toHaveLength(1);
    const [event] = await textsOf(await read(wide, await at(wide, 'Public Folders', 'Company', 'Holidays')));
    expect(event).toContain('DTSTART;VALUE=DATE:20270101');
    expect(event).toContain('DTEND;VALUE=DATE:20270102');
  });

  it('gives a series with its moved and missing occurrences, the clock of its zone and guests that nobody informs', async () => {
    const { box } = ground;
    addEvent(box, folderAt(box, ['Calendar']), {
      uid: 'series-1',
      subject: 'Weekly',
      start: '2026-03-23T09:00:00',
      end: '2026-03-23T10:00:00',
      zone: 'W. Europe Standard Time',
      recurrence:
        '<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek><t:FirstDayOfWeek>Sunday</t:FirstDayOfWeek></t:WeeklyRecurrence><t:EndDateRecurrence><t:StartDate>2026-03-23+01:00</t:StartDate><t:EndDate>2026-06-29+02:00</t:EndDate></t:EndDateRecurrence>',
      // On both sides of the change of the clock.
      deleted: ['2026-03-30T09:00:00'],
      changed: [
        { original: '2026-04-06T09:00:00', start: '2026-04-07T14:00:00', end: '2026-04-07T15:00:00', subject: 'Moved' },
      ],
      organizer: { name: 'Olga', address: 'olga@people.test' },
      required: [{ address: 'ben@people.test', response: 'Accept' }],
    });
    const from = source();
    const [text] = await textsOf(await read(from, await at(from, 'Calendar')));
    for (const line of [
      'DTSTART;TZID=Europe/Berlin:20260323T090000',
      'RRULE:FREQ=WEEKLY;BYDAY=MO;WKST=SU;UNTIL=20260629T070000Z',
      'EXDATE;TZID=Europe/Berlin:20260330T090000',
      'RECURRENCE-ID;TZID=Europe/Berlin:20260406T090000',
      'DTSTART;TZID=Europe/Berlin:20260407T140000',
      'ORGANIZER;CN=Olga;SCHEDULE-AGENT=NONE:mailto:olga@people.test',
      'ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=NONE:mailto:ben@people.test',
    ])
      expect(text).toContain(`\r\n${line}\r\n`);
  });

  it('reckons days that a month lacks as Exchange does, and reads zones by their own definition', async () => {
    const { box } = ground;
    const calendar = folderAt(box, ['Calendar']);
    const monthly = (day: number): string =>
      `<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>${day}</t:DayOfMonth></t:AbsoluteMonthlyRecurrence><t:NoEndRecurrence><t:StartDate>2026-01-30</t:StartDate></t:NoEndRecurrence>`;
    const times = { start: '2026-01-30T10:00:00', end: '2026-01-30T11:00:00' };
    addEvent(box, calendar, { uid: 'a', ...times, recurrence: monthly(31) });
    addEvent(box, calendar, { uid: 'b', ...times, recurrence: monthly(30) });
    const period = (id: string, name: string, bias: string): string =>
      `<t:Period Id="${id}" Name="${name}" Bias="${bias}"/>`;
    const custom = `<t:StartTimeZone Id="Custom" Name="Ours"><t:Periods>${period('s', 'Standard', '-PT1H')}${period('d', 'Daylight', '-PT2H')}</t:Periods></t:StartTimeZone>`;
    addEvent(box, calendar, { uid: 'c', ...times, zone: 'W. Europe Standard Time', zoneXml: custom });
    const unknown = `<t:StartTimeZone Id="Mars" Name="Mars"><t:Periods>${period('s', 'Standard', 'PT7H7M')}</t:Periods></t:StartTimeZone>`;
    addEvent(box, calendar, { uid: 'd', ...times, zone: 'UTC', zoneXml: unknown });
    const from = source();
    const outcomes = await read(from, await at(from, 'Calendar'));
    const [a, b, c, d] = await textsOf(outcomes);
    expect(a).toContain('RRULE:FREQ=MONTHLY;BYMONTHDAY=-1\r\n');
    expect(b).toContain('RRULE:FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1\r\n');
    expect(c).toMatch(/DTSTART;TZID=\w+\/\w+:20260130T100000/);
    expect(outcomes[2]).toMatchObject({ item: { notes: [{ code: 'ZONE_MAPPED' }] } });
    expect(d).toContain('DTSTART:20260130T100000Z');
    expect(outcomes[3]).toMatchObject({ item: { notes: [{ code: 'ZONE_UNKNOWN', detail: 'Mars' }] } });
  });

  it('says what of an item has no place in the new mailbox', async () => {
    const { box } = ground;
    addTask(box, folderAt(box, ['Tasks']), {
      subject: 'Water the plants',
      recurrence:
        '<t:WeeklyRegeneration><t:Interval>1</t:Interval></t:WeeklyRegeneration><t:NoEndRecurrence><t:StartDate>2026-01-30</t:StartDate></t:NoEndRecurrence>',
    });
    addNote(box, folderAt(box, ['Notes']), 'A green one', { colour: 1 });
    addMessage(
      box,
      folderAt(box, ['INBOX']),
      Buffer.from('Subject: locked\r\nContent-Class: rpmsg.message\r\n\r\nx\r\n'),
    );
    const calendar = folderAt(box, ['Calendar']);
    const files = [
      box.attachment('plan.pdf', 'application/pdf', Buffer.from('%PDF-1.4')),
      box.attachment('A message', '', Buffer.from('x'), { isItem: true }),
      box.attachment('film.mp4', 'video/mp4', Buffer.alloc(2_000_000)),
    ];
    addEvent(box, calendar, { uid: 'e', start: '2026-01-30T10:00:00', end: '2026-01-30T11:00:00', attachments: files });
    addContact(box, folderAt(box, ['Contacts']), {
      texts: { DisplayName: 'Ex' },
      emails: [
        { address: '/o=OLD/cn=ex', routing: 'EX', name: 'Ex' },
        { address: '/o=OLD/cn=two', routing: 'EX', name: 'x' },
      ],
      extended: [['Address 0x8094 String', 'two@old.test']],
    });
    const from = source();
    const notesIn = async (...path: string[]): Promise<unknown[]> => {
      const [outcome] = await read(from, await at(from, ...path));
      return outcome?.is === 'staged' ? [...outcome.item.notes] : [outcome];
    };
    expect(await notesIn('Tasks')).toEqual([{ code: 'TASK_REGENERATES' }]);
    expect(await notesIn('Notes')).toEqual([{ code: 'NOTE_COLOUR_DROPPED', detail: 'green' }]);
    expect(await notesIn('INBOX')).toEqual([{ code: 'RIGHTS_LOCKED' }]);
    expect(await notesIn('Calendar')).toEqual([
      { code: 'ATTACHMENT_LEFT_OUT', detail: 'A message' },
      { code: 'ATTACHMENT_LEFT_OUT', detail: 'film.mp4' },
    ]);
    expect(await notesIn('Contacts')).toEqual([{ code: 'ADDRESS_OF_DIRECTORY', detail: 'Ex' }]);
    const [event] = await textsOf(await read(from, await at(from, 'Calendar')));
    expect(event).toContain(Buffer.from('%PDF-1.4').toString('base64'));
    const [card] = await textsOf(await read(from, await at(from, 'Contacts')));
    expect(card).toContain(':two@old.test');
  });

  it('gives a task its files, and names those that a contact has and pictures that are none', async () => {
    const { box } = ground;
    const files = [
      box.attachment('plan.pdf', 'application/pdf', Buffer.from('%PDF-1.4')),
      box.attachment('film.mp4', 'video/mp4', Buffer.alloc(2_000_000)),
    ];
    addTask(box, folderAt(box, ['Tasks']), { subject: 'Plan', files });
    const [task] = await read(source(), await at(source(), 'Tasks'));
    expect(task).toMatchObject({ item: { notes: [{ code: 'ATTACHMENT_LEFT_OUT', detail: 'film.mp4' }] } });
    expect((await textsOf([task!]))[0]).toContain(Buffer.from('%PDF-1.4').toString('base64'));

    const contract = box.attachment('contract.pdf', 'application/pdf', Buffer.from('%PDF-1.4'));
    const letter = box.attachment('A letter', '', Buffer.from('x'), { isItem: true });
    const webp = { bytes: Buffer.from('RIFF....WEBPVP8 '), type: 'image/jpeg' };
    const png = { bytes: Buffer.from('89504e470d0a1a0a', 'hex'), type: 'image/jpeg' };
    const contacts = folderAt(box, ['Contacts']);
    addContact(box, contacts, { texts: { DisplayName: 'Anna' }, photo: webp, files: [contract, letter] });
    addContact(box, contacts, { texts: { DisplayName: 'Ben' }, photo: png });
    const cards = await read(source(), await at(source(), 'Contacts'));
    const notes = cards.map((one) => (one.is === 'staged' ? one.item.notes.map(({ detail }) => detail) : one));
    expect(notes).toEqual(expect.arrayContaining([[], ['ContactPicture.jpg', 'contract.pdf', 'A letter']]));
    expect((await textsOf(cards)).filter((text) => text!.includes('PHOTO'))).toHaveLength(1);
  });

  it('reports what is no message in a folder of mail, and nothing else of it', async () => {
    const { box } = ground;
    const trash = folderAt(box, ['Deleted Items']);
    addTask(box, trash, { subject: 'done' });
    addContact(box, trash, { texts: { DisplayName: 'Anna' } });
    addMessage(box, trash, message(1));
    const from = source();
    const outcomes = await read(from, await at(from, 'Deleted Items'));
    expect(outcomes.map((one) => (one.is === 'unreadable' ? one.error.code : one.is))).toEqual([
      'OTHER_KIND',
      'OTHER_KIND',
      'staged',
    ]);
  });

  it('knows a note that the server gives in place of a message by what does not fit, in any language', async () => {
    const { box } = ground;
    const inbox = folderAt(box, ['INBOX']);
    const standIn = Buffer.from(
      'From: system\r\nSubject: Abruf der Nachricht fehlgeschlagen\r\n\r\nEs ging nicht.\r\n',
    );
    const broken = addMessage(box, inbox, standIn, { subject: 'The real one' });
    box.change(broken, [
      ['message:InternetMessageId', '<t:InternetMessageId>&lt;real@old.test&gt;</t:InternetMessageId>'],
      ['item:Size', '<t:Size>250000</t:Size>'],
    ]);
    addMessage(box, inbox, message(2));
    const from = source();
    const outcomes = await read(from, await at(from, 'INBOX'));
    expect(outcomes.map((one) => (one.is === 'unreadable' ? one.error.code : one.is))).toEqual([
      'SERVER_STAND_IN',
      'staged',
    ]);
    // The engine asks again, since it may be a moment's.
    expect(outcomes[0]).toMatchObject({ error: { retry: 'now', scope: 'item' } });
  });

  it('asks an item that cannot be rendered again, alone costs nobody else, and passes over it', async () => {
    const { box } = ground;
    const inbox = folderAt(box, ['INBOX']);
    const items = Array.from({ length: 12 }, (_, n) => addMessage(box, inbox, message(n)));
    items[5]!.refuses = { code: 'ErrorMimeContentConversionFailed', text: 'Content conversion failed.', times: 1 };
    const from = source();
    const folder = await at(from, 'INBOX');
    const metas = await scan(from, folder);
    const outcomes = await read(from, folder, metas);
    expect(outcomes.filter(({ is }) => is === 'staged')).toHaveLength(11);
    const bad = outcomes.find(({ is }) => is === 'unreadable')!;
    expect(bad).toMatchObject({
      error: { code: 'NOT_RENDERED', retry: 'now', serverText: expect.stringContaining('ErrorMime') },
    });
    expect(await read(from, folder, [bad.ref as ItemMeta])).toMatchObject([{ is: 'staged' }]);
  });

  it('takes what moves to another folder during the run as gone here and new there', async () => {
    const { box } = ground;
    const inbox = folderAt(box, ['INBOX']);
    const moved = addMessage(box, inbox, message(1));
    addMessage(box, inbox, message(2));
    const from = source();
    const folder = await at(from, 'INBOX');
    const pages = await collect(from.scan(folder, null, signal));
    const items = pages.flatMap((page) => page.items);
    box.move(moved, folderAt(box, ['Archiv']));
    expect((await read(from, folder, items)).map(({ is }) => is)).toEqual(['vanished', 'staged']);
    const later = await collect(from.scan(folder, pages.at(-1)!.next, signal));
    // What is gone is told by its id alone, so everything that is there is listed.
    expect(later.every(({ full }) => full)).toBe(true);
    expect(later.flatMap((page) => page.items).map(({ key }) => key)).toEqual([items[1]!.key]);
    const there = await scan(from, await at(from, 'Archiv'));
    expect(there.map(({ key }) => key)).toEqual([items[0]!.key]);
  });

  it('lists everything again where the server has forgotten the state, and every id may be another one', async () => {
    const { box } = ground;
    for (const n of [1, 2, 3]) addMessage(box, folderAt(box, ['INBOX']), message(n));
    addContact(box, folderAt(box, ['Contacts']), { texts: { DisplayName: 'Anna' } });
    const from = source();
    const before = await at(from, 'INBOX');
    const pages = await collect(from.scan(before, null, signal));
    const [card] = await textsOf(await read(from, await at(from, 'Contacts')));
    box.renumber();
    const again = source();
    const after = await at(again, 'INBOX');
    // The same folder for the ledger, which looks whether its keys are still there.
    expect(after.id).toBe(before.id);
    expect(after.epoch).not.toBe(before.epoch);
    const later = await collect(again.scan(after, pages.at(-1)!.next, signal));
    expect(later.every(({ full }) => full)).toBe(true);
    const keys = (some: typeof later): string[] => some.flatMap(({ items }) => items.map(({ key }) => key));
    expect(keys(later)).toEqual(keys(pages));
    // Where a server tells no search key, or two items share one, the id has to do.
    for (const item of folderAt(box, ['INBOX']).items.values()) item.extended.set('0x300b binary', 'AAAA');
    expect(new Set((await scan(again, after)).map(({ key }) => key)).size).toBe(3);
    expect(await textsOf(await read(again, await at(again, 'Contacts')))).toEqual([card]);
  });

  it.each<[string, Fault]>([
    ['a page with status 500', { is: 'page-500' }],
    ['a connection that is cut', { is: 'cut' }],
    ['XML that is not whole', { is: 'truncated-xml' }],
    ['one refusal in the middle', { is: 'unauthorized' }],
    ['a short batch', { is: 'short-batch', ms: 30 }],
    ['a busy server', { is: 'busy-503', seconds: 1 }],
  ])('gets everything in spite of %s', async (_, fault) => {
    const { box } = ground;
    for (let n = 0; n < 30; n++) addMessage(box, folderAt(box, ['INBOX']), message(n));
    const from = source({ patienceMs: 10_000 });
    const folder = await at(from, 'INBOX');
    for (const operation of ['GetItem', 'SyncFolderItems']) {
      once(operation, fault);
      const outcomes = await read(from, folder);
      expect(outcomes.filter(({ is }) => is === 'staged')).toHaveLength(30);
    }
  });

  it('uses fewer connections when the server says that they are too many', async () => {
    const { box, server } = ground;
    for (let n = 0; n < 60; n++) addMessage(box, folderAt(box, ['INBOX']), message(n));
    server.latencyMs = 20;
    once('GetItem', { is: 'fault-500', code: 'ErrorExceededConnectionCount' });
    const from = source({ patienceMs: 10_000 });
    expect((await read(from, await at(from, 'INBOX'))).filter(({ is }) => is === 'staged')).toHaveLength(60);
    expect(server.most()).toBeLessThanOrEqual(4);
  });

  it('signs in by address, DOMAIN\\user, UPN and token', async () => {
    for (const user of [ADDRESS, 'OLD\\anna', 'anna@corp.local']) {
      const from = source({ owner: user, login: async () => ({ kind: 'password', user, password: PASSWORD }) });
      expect((await from.connect(signal)).gives).toHaveLength(5);
    }
    const { token } = ground.server.user(ADDRESS);
    const tokens = ['expired', token];
    const from = source({ login: async () => ({ kind: 'token', token: tokens.shift() ?? token }) });
    await expect(from.connect(signal)).resolves.toBeDefined();
  });

  it('tries a wrong password once, and says where only Windows sign-in is offered', async () => {
    const { server } = ground;
    const wrong = source({ login: async () => ({ kind: 'password', user: ADDRESS, password: 'wrong' }) });
    await expect(wrong.connect(signal)).rejects.toMatchObject({ code: 'AUTH_FAILED', retry: 'user' });
    expect(server.unauthorized).toBe(1);
    server.basic = false;
    await expect(source().connect(signal)).rejects.toMatchObject({ code: 'EWS_NEEDS_BASIC' });
  });

  it('opens mailboxes for an administrator, by impersonation and by full access, and only those it may', async () => {
    const { server, box } = ground;
    addMessage(box, folderAt(box, ['INBOX']), message(7));
    const ben = server.mailbox('ben@old.test', 'another');
    server.admin('admin@old.test', 'admin', [ADDRESS, 'nobody@old.test']);
    const login = async () => ({ kind: 'password', user: 'admin@old.test', password: 'admin' }) as const;
    const as = (address: string): EwsSource =>
      source({ login, owner: address, mailbox: { by: 'impersonation', address } });
    const own = sourceOn(server);
    open.push(own);
    const from = as(ADDRESS);
    expect(from.account).toEqual(own.account);
    await from.connect(signal);
    expect((await read(from, await at(from, 'INBOX'))).map(({ is }) => is)).toEqual(['staged']);
    await expect(as('ben@old.test').connect(signal)).rejects.toMatchObject({ code: 'EWS_IMPERSONATION_DENIED' });
    await expect(as('nobody@old.test').connect(signal)).rejects.toMatchObject({ code: 'ACCOUNT_UNAVAILABLE' });
    addMessage(ben, folderAt(ben, ['INBOX']), message(8));
    const shared = { mailbox: { by: 'delegation', address: 'ben@old.test' }, owner: 'ben@old.test' } as const;
    await expect(source(shared).connect(signal)).rejects.toMatchObject({ code: 'ACCOUNT_UNAVAILABLE' });
    server.user(ADDRESS).delegate.add('ben@old.test');
    const delegated = source(shared);
    await delegated.connect(signal);
    const [text] = await textsOf(await read(delegated, await at(delegated, 'INBOX')));
    expect(text).toContain('Message 8');
  });

  it('stops at a server that opens another mailbox than the one that was named', async () => {
    const { server } = ground;
    const ben = server.mailbox('ben@old.test', 'another');
    server.answersFor = ben;
    // Whether or not the mailbox that was named may be opened, too.
    await expect(source().connect(signal)).rejects.toMatchObject({ code: 'WRONG_MAILBOX' });
    server.user(ADDRESS).delegate.add(ADDRESS);
    await expect(source().connect(signal)).rejects.toMatchObject({ code: 'WRONG_MAILBOX' });
    // Somebody whose name is not an address of anybody cannot be told apart.
    const unknown = 'anna@corp.local';
    const byName = source({
      owner: unknown,
      login: async () => ({ kind: 'password', user: unknown, password: PASSWORD }),
    });
    await expect(byName.connect(signal)).resolves.toBeDefined();
  });
});
