import { afterEach, describe, expect, it } from '@jest/globals';
import type { Destination, PlacedItem, StoreOutcome } from '../../src/destinations/destination.js';
import { hostedMailbox } from '../../src/destinations/hosted-mailbox.js';
import type { ResolvedGrant } from '../../src/destinations/grant.js';
import type { DestinationFolder, SourceFolderId } from '../../src/mailbox/folder.js';
import type { StagedItem } from '../../src/mailbox/item.js';
import { staged, wantedFolder } from '../contracts/destination.contract.js';
import { collect, message } from '../contracts/messages.js';
import {
  readAppend,
  type Script,
  scriptedImap,
  type ScriptedImap,
  type ScriptedOptions,
} from '../servers/scripted-imap.js';

const signal = new AbortController().signal;
const opened: { server: ScriptedImap; destination: Destination }[] = [];
const items: StagedItem[] = [];

afterEach(async () => {
  for (const item of items.splice(0)) await item.body.release();
  for (const { server, destination } of opened.splice(0)) {
    await destination.close();
    await server.close();
  }
});

async function against(
  script: Script,
  options: ScriptedOptions = {},
): Promise<{ server: ScriptedImap; destination: Destination; grants: () => number }> {
  const server = await scriptedImap(script, options);
  let grants = 0;
  const endpoint = { host: '127.0.0.1', port: server.port, security: 'none' } as const;
  const grant: ResolvedGrant = { kind: 'user-secret', endpoint, login: 'anna@new.test', password: 'secret' };
  const destination = hostedMailbox({
    grant: async () => {
      grants++;
      return grant;
    },
    policy: { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 5_000 },
    openDeadlineMs: 5_000,
  });
  opened.push({ server, destination });
  return { server, destination, grants: () => grants };
}

/** What the server's words to one refused APPEND become. */
async function refusedWith(words: string): Promise<{ code: string; scope: string; retry: string }> {
  const { destination } = await against({
    APPEND: async (command) => {
      await readAppend(command);
      await command.session.send(`${command.tag} NO ${words}\r\n`);
    },
  });
  const [outcome] = await store(destination, [message(1)]);
  if (outcome?.is !== 'refused') throw new Error(outcome?.is);
  const { code, scope, retry } = outcome.error;
  return { code, scope, retry };
}

describe('the words of a refusal', () => {
  const item = { scope: 'item', retry: 'never' };
  const wait = { scope: 'account', retry: 'later' };
  for (const [words, meaning] of [
    ['[LIMIT] Too many identical emails', { ...item, code: 'TOO_MANY_IDENTICAL' }],
    ['[LIMIT] Too many things', { ...item, code: 'SERVER_REFUSED' }],
    ['[LIMIT] Requested allocation size is too large', { ...item, code: 'MESSAGE_TOO_LARGE' }],
    ['[TOOBIG] Message too big', { ...item, code: 'MESSAGE_TOO_LARGE' }],
    ['Message contains bare newlines', { ...item, code: 'SERVER_REFUSED' }],
    ['Over quota', { code: 'QUOTA_EXCEEDED', scope: 'account', retry: 'user' }],
    ['[ALERT] You exceeded your mail quota.', { code: 'QUOTA_EXCEEDED', scope: 'account', retry: 'user' }],
    ['Message refused: Eicar-Test-Signature virus found', { ...item, code: 'CONTENT_REFUSED' }],
    ['Request is throttled. Suggested Backoff Time: 299961 milliseconds', { ...wait, code: 'THROTTLED' }],
    ['[INUSE] Timeout while waiting for lock', { ...wait, code: 'MAILBOX_BUSY' }],
    ['[SERVERBUG] Internal error', { ...wait, code: 'DESTINATION_UNAVAILABLE' }],
    ['Permission denied', { code: 'NOT_PERMITTED', scope: 'folder', retry: 'user' }],
  ] as const)
    it(`"${words}" means ${meaning.code}`, async () => expect(await refusedWith(words)).toEqual(meaning));
});

const inbox: DestinationFolder = {
  name: 'INBOX',
  path: ['INBOX'],
  kind: 'mail',
  epoch: '7',
  preExisting: true,
  sources: ['INBOX' as SourceFolderId],
};

async function store(
  destination: Destination,
  bodies: readonly Buffer[],
  more: Partial<StagedItem> = {},
  mayCommit = () => true,
): Promise<StoreOutcome[]> {
  const some = await Promise.all(bodies.map((bytes) => staged(bytes, more)));
  items.push(...some);
  const places = await destination.place(inbox, some);
  const placed: PlacedItem[] = some.map((item, i) => ({ ...item, placement: places[i]! }));
  const outcomes = await collect(destination.store(inbox, placed, mayCommit, signal));
  expect(outcomes.map(({ key }) => key).sort()).toEqual(some.map(({ ref }) => ref.key).sort());
  return outcomes;
}
const short = (outcome: StoreOutcome): string =>
  outcome.is === 'refused' ? outcome.error.code : outcome.is === 'stored' ? `stored ${outcome.id?.id}` : outcome.is;

const three = [message(1), message(2), message(3)];
const SINGLE = 'IMAP4rev1 AUTH=PLAIN LITERAL+ UIDPLUS';
const SLOW = 'IMAP4rev1 AUTH=PLAIN UIDPLUS';

describe('storing', () => {
  it('does not know what became of a batch when the connection is cut after its first byte', async () => {
    const script: Script = { APPEND: ({ session }) => session.hangUp() };
    const { destination } = await against(script);
    expect((await store(destination, three)).map(short)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  it('begins nothing more after an unknown outcome', async () => {
    const script: Script = {
      APPEND: async (command) => {
        await readAppend(command);
        command.session.hangUp();
      },
    };
    const { destination } = await against(script, { capabilities: SLOW });
    const outcomes = await store(destination, three);
    expect(outcomes.map(short)).toEqual(['unknown', 'DESTINATION_UNAVAILABLE', 'DESTINATION_UNAVAILABLE']);
    expect(outcomes[1]).toMatchObject({ error: { scope: 'connection' } });
  });

  it('knows that nothing was stored when the server is gone before it asked for the message', async () => {
    const script: Script = { APPEND: ({ session }) => session.hangUp() };
    const { destination } = await against(script, { capabilities: SLOW });
    expect((await store(destination, three)).map(short)).toEqual(Array(3).fill('DESTINATION_UNAVAILABLE'));
  });

  it('takes BAD for unknown, since it says nothing about what was kept, and drops the connection', async () => {
    const script: Script = {
      APPEND: async (command) => {
        await readAppend(command);
        await command.session.send(`${command.tag} BAD what?\r\n`);
      },
    };
    const { destination, server, grants } = await against(script);
    expect((await store(destination, three)).map(short)).toEqual(['unknown', 'unknown', 'unknown']);
    await destination.mark(inbox, signal);
    expect(server.connections()).toBe(2);
    expect(grants()).toBe(2);
  });

  it('hears with BAD that it has to wait, also when all is on the wire', async () => {
    const script: Script = {
      APPEND: async (command) => {
        await readAppend(command);
        await command.session.send(
          `${command.tag} BAD Request is throttled. Suggested Backoff Time: 90000 milliseconds\r\n`,
        );
      },
    };
    const { destination } = await against(script);
    await expect(store(destination, three)).rejects.toMatchObject({
      code: 'THROTTLED',
      scope: 'account',
      retryAfterMs: 90_000,
    });
  });

  it('halves a refused batch until the one to blame is alone', async () => {
    let uid = 10;
    const sizes: number[] = [];
    const script: Script = {
      APPEND: async (command) => {
        const bodies = await readAppend(command);
        sizes.push(bodies.length);
        if (bodies.some((body) => body.includes('Message 3\r\n'))) {
          return command.session.send(`${command.tag} NO Message contains invalid header\r\n* NO stray\r\n`);
        }
        const set = bodies.length === 1 ? `${uid}` : `${uid}:${uid + bodies.length - 1}`;
        uid += bodies.length;
        await command.session.send(`${command.tag} OK [APPENDUID 7 ${set}] done\r\n`);
      },
    };
    const { destination } = await against(script);
    const outcomes = await store(destination, [message(1), message(2), message(3), message(4)]);
    expect(outcomes.map(short)).toEqual(['stored 10', 'stored 11', 'SERVER_REFUSED', 'stored 12']);
    expect(sizes).toEqual([4, 2, 2, 1, 1]);
  });

  it.each([
    ['[OVERQUOTA] Quota exceeded', 'QUOTA_EXCEEDED'],
    ['[ALERT] You exceeded your mail quota.', 'QUOTA_EXCEEDED'],
    ['Over quota', 'QUOTA_EXCEEDED'],
  ])('sends no more after "%s"', async (text, code) => {
    let appends = 0;
    const script: Script = {
      APPEND: async (command) => {
        appends++;
        await readAppend(command);
        await command.session.send(`${command.tag} NO ${text}\r\n`);
      },
    };
    const { destination } = await against(script, { capabilities: SINGLE });
    const many = Array.from({ length: 60 }, (_, i) => message(i));
    const outcomes = await store(destination, many);
    expect(outcomes.map(short)).toEqual(many.map(() => code));
    expect(outcomes[0]).toMatchObject({ error: { scope: 'account', retry: 'user' } });
    // Those that were already on their way.
    expect(appends).toBeLessThan(20);
  });

  it('sends nothing that is above the announced limit', async () => {
    const capabilities = `${SINGLE} APPENDLIMIT=1000`;
    const script: Script = {
      APPEND: async (command) => {
        await readAppend(command);
        await command.session.send(`${command.tag} OK [APPENDUID 7 5] done\r\n`);
      },
    };
    const { destination, server } = await against(script, { capabilities });
    expect((await destination.connect(signal)).maxBytes).toBe(1000);
    const outcomes = await store(destination, [message(1), message(2, { size: 2_000 })]);
    expect(outcomes.map(short).sort()).toEqual(['MESSAGE_TOO_LARGE', 'stored 5']);
    expect(server.lines.filter((line) => / APPEND /.test(line))).toHaveLength(1);
  });

  it('waits for the server before each message where it must', async () => {
    const bodies: Buffer[] = [];
    const script: Script = {
      APPEND: async (command) => {
        bodies.push(...(await readAppend(command)));
        await command.session.send(`${command.tag} OK [APPENDUID 7 ${bodies.length}] done\r\n`);
      },
    };
    const { destination, server } = await against(script, { capabilities: SLOW });
    expect((await store(destination, three)).map(short)).toEqual(['stored 1', 'stored 2', 'stored 3']);
    expect(bodies.map(String)).toEqual(three.map(String));
    expect(server.lines.filter((line) => /\{\d+\+\}/.test(line))).toEqual([]);
  });

  it('has no id for what an APPENDUID does not fit', async () => {
    for (const told of ['', '[APPENDUID 7 1:2] ', '[APPENDUID 7 1:4000000000] ', '[APPENDUID x y] ']) {
      const script: Script = {
        APPEND: async (command) => {
          await readAppend(command);
          await command.session.send(`${command.tag} OK ${told}done\r\n`);
        },
      };
      const { destination } = await against(script);
      const outcomes = await store(destination, three);
      expect(outcomes).toEqual(outcomes.map(({ key }) => ({ key, is: 'stored', id: null, notes: [] })));
    }
  });

  it('says what of flags and dates it had to change', async () => {
    const heads: string[] = [];
    const script: Script = {
      APPEND: async (command) => {
        heads.push(command.rest);
        await readAppend(command);
        await command.session.send(`${command.tag} OK done\r\n`);
      },
    };
    const { destination } = await against(script);
    const flags = ['\\Seen', '\\Flagged', '\\Recent', '$Label1', 'a b', 'x'.repeat(60)];
    const [outcome] = await store(destination, [message(1)], { flags, date: { seconds: -400_000_000, offset: 60 } });
    expect(heads[0]).toMatch(/^"INBOX" \(\\Seen \$Label1 a_b x{41}_[0-9a-f]{8}\) " 2-Jan-1970 00:00:00 \+0000" \{/);
    expect(outcome).toMatchObject({
      notes: [
        { code: 'FLAG_DROPPED', detail: '\\Flagged' },
        { code: 'KEYWORD_MAPPED' },
        { code: 'KEYWORD_MAPPED' },
        { code: 'DATE_CHANGED' },
      ],
    });
  });

  it('begins nothing when the lease is ending, and keeps what was already complete', async () => {
    let asked = 0;
    let stored = 0;
    const script: Script = {
      APPEND: async (command) => {
        await readAppend(command);
        stored++;
        await command.session.send(`${command.tag} OK [APPENDUID 7 ${stored}] done\r\n`);
      },
    };
    const { destination } = await against(script, { capabilities: SLOW });
    const outcomes = await store(destination, three, {}, () => asked++ < 2);
    expect(outcomes.filter(({ is }) => is === 'stored').length).toBe(stored);
    expect(outcomes.map(short)).toContain('LEASE_ENDING');
    expect(outcomes.map(short)).not.toContain('unknown');
  });
});

describe('a server that only says that it failed', () => {
  it.each([
    [98, 'QUOTA_EXCEEDED'],
    [1, 'SERVER_REFUSED'],
  ])('is asked for room: with %d of 100 KB used it means %s', async (used, code) => {
    const { destination } = await against(
      {
        APPEND: async (command) => {
          await readAppend(command);
          await command.session.send(`${command.tag} NO APPEND failed\r\n`);
        },
        GETQUOTAROOT: ({ tag, session }) =>
          session.send(`* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE ${used} 100)\r\n${tag} OK done\r\n`),
      },
      { capabilities: `${SINGLE} QUOTA` },
    );
    const large = Buffer.concat([message(1), Buffer.from('x'.repeat(3_000))]);
    expect((await store(destination, [large])).map(short)).toEqual([code]);
  });
});

describe('the mailbox', () => {
  it('is missing where a signed-in administrator sees no INBOX', async () => {
    for (const LIST of [
      ({ tag, session }: Parameters<NonNullable<Script['LIST']>>[0]) => session.send(`${tag} OK done\r\n`),
      ({ tag, session }: Parameters<NonNullable<Script['LIST']>>[0]) =>
        session.send(`* LIST () "/" Other\r\n${tag} OK done\r\n`),
    ]) {
      const { destination } = await against({ LIST });
      await expect(destination.connect(signal)).rejects.toMatchObject({ code: 'DESTINATION_MISSING', retry: 'user' });
    }
  });

  it('is missing where INBOX cannot be opened', async () => {
    const { destination } = await against({
      EXAMINE: ({ tag, session }) => session.send(`${tag} NO [NONEXISTENT] Mailbox doesn't exist: INBOX\r\n`),
    });
    await expect(destination.connect(signal)).rejects.toMatchObject({ code: 'DESTINATION_MISSING' });
  });

  it('does not move messages where that could expunge others', async () => {
    const { destination } = await against({}, { capabilities: 'IMAP4rev1 AUTH=PLAIN LITERAL+' });
    await destination.connect(signal);
    const aside = destination.setAside(inbox, [{ epoch: '7', id: '1' }], ['Before'], signal);
    await expect(aside).rejects.toMatchObject({ code: 'MOVE_UNSUPPORTED' });
  });
});

describe('the plan', () => {
  const LIST: Script['LIST'] = ({ tag, session }) =>
    session.send(
      ['() "/" INBOX', '(\\Sent) "/" Verschickt', '() "/" Work', '(\\Noselect) "/" Box']
        .map((entry) => `* LIST ${entry}\r\n`)
        .join('') + `${tag} OK done\r\n`,
    );

  it('finds special folders, keeps names apart that differ in case only, and mends the impossible', async () => {
    const { destination } = await against({ LIST }, { capabilities: `${SINGLE} SPECIAL-USE` });
    await destination.connect(signal);
    const plan = await destination.planFolders([
      wantedFolder(['INBOX'], { role: 'inbox' }),
      wantedFolder(['Gesendet'], { role: 'sent' }),
      wantedFolder(['Gesendet', '2020']),
      wantedFolder(['work']),
      wantedFolder(['Projekt']),
      wantedFolder(['projekt']),
      wantedFolder(['a/b']),
      wantedFolder(['a-b']),
      wantedFolder(['__proto__', 'constructor']),
      wantedFolder(['~\0root\r\nX DELETE INBOX']),
      wantedFolder(['x'.repeat(2_000)]),
      wantedFolder(['..', '..', 'etc']),
      wantedFolder(['user', 'bob'], { selectable: false, leftOut: { code: 'SHARED_FOLDER', message: 'not yours' } }),
    ]);
    const mapped = plan.mappings.map(({ path, changed, exists }) => [path.join(' > '), changed, exists]);
    expect(mapped.slice(0, 10)).toEqual([
      ['INBOX', undefined, true],
      ['Verschickt', 'role', true],
      ['Verschickt > 2020', undefined, false],
      ['Work', 'collision', true],
      ['Projekt', undefined, false],
      ['projekt (2)', 'collision', false],
      ['a-b', 'illegal-name', false],
      ['a-b (2)', 'collision', false],
      ['__proto__ > constructor', undefined, false],
      ['__root__X DELETE INBOX', 'illegal-name', false],
    ]);
    expect(mapped[10]![0]!.toString().length).toBeLessThan(200);
    expect(mapped[11]).toEqual(['_ > _ > etc', 'illegal-name', false]);
    expect(plan.leftOut.map(({ code }) => code)).toEqual(['SHARED_FOLDER']);
  });
});
