import { afterEach, describe, expect, it } from '@jest/globals';
import type { ItemRef, ReadOutcome } from '../../../src/mailbox/item.js';
import type { SourceFolder } from '../../../src/mailbox/folder.js';
import { ImapSource, type ImapSourceOptions } from '../../../src/sources/imap/imap-source.js';
import { folderId } from '../../../src/sources/imap/folder-ids.js';
import { itemRef } from '../../../src/sources/imap/keys.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { bytesOf, collect } from '../../contracts/messages.js';
import {
  fetched,
  type Script,
  scriptedImap,
  type ScriptedImap,
  type ScriptedOptions,
  uidsIn,
} from '../../servers/scripted-imap.js';

const PASSWORD = 'canary "secret" <42>';
const signal = new AbortController().signal;
const opened: { server: ScriptedImap; source: ImapSource }[] = [];

afterEach(async () => {
  for (const { server, source } of opened.splice(0)) {
    await source.close();
    await server.close();
  }
});

async function against(
  script: Script,
  options: ScriptedOptions = {},
  more: Partial<ImapSourceOptions> = {},
  security: 'none' | 'starttls' = 'none',
): Promise<{ server: ScriptedImap; source: ImapSource }> {
  const server = await scriptedImap(script, options);
  const source = new ImapSource({
    target: { host: '127.0.0.1', port: server.port, security },
    login: async () => ({ kind: 'password', user: 'anna@old.test', password: PASSWORD }),
    policy: { allowPrivate: true, allowPlaintext: true, ports: 'any', deadlineMs: 5_000 },
    owner: 'anna@old.test',
    openDeadlineMs: 5_000,
    ...more,
  });
  opened.push({ server, source });
  return { server, source };
}

const inbox: SourceFolder = {
  id: folderId('INBOX'),
  path: ['INBOX'],
  kind: 'mail',
  epoch: '7',
  keyScope: 'folder',
  selectable: true,
  subscribed: true,
  complete: true,
  items: null,
  bytes: null,
};
const refs = (...uids: number[]): ItemRef[] => uids.map((uid) => itemRef(7, uid));
const body = (uid: number): string => `Subject: ${uid}\r\n\r\nBody of ${uid}\r\n`;

async function read(source: ImapSource, ...uids: number[]): Promise<Map<number, string>> {
  const outcomes = await collect(source.read(inbox, refs(...uids), new BodyStaging(), signal));
  const told = new Map<number, string>();
  for (const outcome of outcomes) told.set(uidOf(outcome), await shown(outcome));
  expect(outcomes).toHaveLength(uids.length);
  return told;
}
const uidOf = (outcome: ReadOutcome): number => Buffer.from(outcome.ref.locator).readUInt32BE();
async function shown(outcome: ReadOutcome): Promise<string> {
  if (outcome.is === 'vanished') return 'vanished';
  if (outcome.is === 'unreadable') return outcome.error.code;
  const text = (await bytesOf(outcome.item.body)).toString('latin1');
  await outcome.item.body.release();
  return text;
}
const failure = async (work: Promise<unknown>): Promise<Error & { code?: string; serverText?: string }> =>
  work.then(
    () => {
      throw new Error('it went well');
    },
    (error: Error) => error,
  );
const signIns = (server: ScriptedImap): string[] => server.lines.filter((line) => /LOGIN|AUTHENTICATE/i.test(line));

describe('signing in', () => {
  it('sends no sign-in where STARTTLS is a must and not offered', async () => {
    const { server, source } = await against({}, {}, {}, 'starttls');
    expect(await failure(source.connect(signal))).toMatchObject({ code: 'TLS_REQUIRED', retry: 'user' });
    expect(signIns(server)).toEqual([]);
  });

  it('refuses a session that was signed in without asking, with and without STARTTLS', async () => {
    for (const [security, code] of [['none', 'PROTOCOL_ERROR'] as const, ['starttls', 'TLS_REQUIRED'] as const]) {
      const { server, source } = await against({}, { greeting: '* PREAUTH welcome\r\n' }, {}, security);
      expect(await failure(source.connect(signal))).toMatchObject({ code });
      expect(signIns(server)).toEqual([]);
    }
  });

  it('refuses what was put into the connection after the STARTTLS answer', async () => {
    const capabilities = 'IMAP4rev1 STARTTLS AUTH=PLAIN';
    const script: Script = {
      STARTTLS: ({ tag, session }) => session.send(`${tag} OK go\r\n* PREAUTH hello\r\n`),
    };
    const { server, source } = await against(script, { capabilities }, {}, 'starttls');
    expect(await failure(source.connect(signal))).toMatchObject({ code: 'PROTOCOL_ERROR' });
    expect(signIns(server)).toEqual([]);
  });

  it('masks a password that the server repeats', async () => {
    const echo = `${PASSWORD} ${Buffer.from(`\0anna@old.test\0${PASSWORD}`).toString('base64')} <script>`;
    const script: Script = {
      AUTHENTICATE: async ({ tag, session }) => {
        await session.send('+ \r\n');
        await session.line();
        await session.send(`${tag} NO [AUTHENTICATIONFAILED] wrong: ${echo}\r\n`);
      },
    };
    const { source } = await against(script);
    const error = await failure(source.connect(signal));
    expect(error).toMatchObject({ code: 'AUTH_FAILED', retry: 'user', scope: 'account' });
    expect(error.serverText).toBe('[AUTHENTICATIONFAILED] wrong: *** *** <script>');
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      expect(JSON.stringify([at.message, at.stack, { ...at }])).not.toMatch(/canary|Y2FuYXJ5/);
    }
  });

  it.each([
    ['[ALERT] Application-specific password required', 'AUTH_NEEDS_APP_PASSWORD'],
    ['Basic authentication is disabled.', 'AUTH_NEEDS_OAUTH'],
    ['account does not have IMAP access enabled', 'IMAP_DISABLED'],
    ['[ALERT] Too many simultaneous connections. (Failure)', 'TOO_MANY_CONNECTIONS'],
    ['[UNAVAILABLE] Temporary authentication failure', 'SERVER_BUSY'],
    ['Request is throttled. Suggested Backoff Time: 29996 milliseconds', 'THROTTLED'],
  ])('tells what "%s" means', async (text, code) => {
    const script: Script = {
      AUTHENTICATE: async ({ tag, session }) => {
        await session.send('+ \r\n');
        await session.line();
        await session.send(`${tag} NO ${text}\r\n`);
      },
    };
    const { server, source } = await against(script);
    expect(await failure(source.connect(signal))).toMatchObject({ code });
    expect(signIns(server)).toHaveLength(1);
  });

  const ONE_LINE = 'IMAP4rev1 SASL-IR AUTH=PLAIN ID LITERAL+';

  it('signs in by one line where the greeting says so, and waits for nothing else', async () => {
    const script: Script = {
      AUTHENTICATE: ({ tag, session }) => session.send(`${tag} OK [CAPABILITY ${ONE_LINE} UIDPLUS] in\r\n`),
      // Never answered: whoever waited for it would wait for ever.
      ID: () => undefined,
    };
    const { server, source } = await against(script, { capabilities: ONE_LINE });
    await source.connect(signal);
    const answer = Buffer.from(`\0anna@old.test\0${PASSWORD}`).toString('base64');
    expect(server.lines[0]).toBe(`F1 AUTHENTICATE PLAIN ${answer}`);
    expect(signIns(server)).toHaveLength(1);
  });

  it('asks for the capabilities of a session that were not told with the sign-in', async () => {
    const script: Script = { AUTHENTICATE: ({ tag, session }) => session.send(`${tag} OK in\r\n`) };
    const { server, source } = await against(script, { capabilities: ONE_LINE });
    await source.connect(signal);
    expect(server.lines.map((line) => line.split(' ')[1])).toEqual(expect.arrayContaining(['CAPABILITY']));
  });

  it('says what is wrong with a password by one line as by several, and masks it', async () => {
    const { server, source } = await against(
      {
        AUTHENTICATE: ({ tag, rest, session }) =>
          session.send(`${tag} NO [AUTHENTICATIONFAILED] not ${rest.split(' ')[1]}\r\n`),
      },
      { capabilities: ONE_LINE },
    );
    const error = await failure(source.connect(signal));
    expect(error).toMatchObject({ code: 'AUTH_FAILED', retry: 'user', scope: 'account' });
    expect(error.serverText).toBe('[AUTHENTICATIONFAILED] not ***');
    for (let at: unknown = error; at instanceof Error; at = at.cause)
      expect(JSON.stringify([at.message, at.stack, { ...at }])).not.toMatch(/canary|Y2FuYXJ5/);
    expect(signIns(server)).toHaveLength(1);
  });

  it.each(['BAD what is that', '+ '])('goes step by step with a server that answers "%s" to one line', async (said) => {
    const script: Script = {
      AUTHENTICATE: async ({ tag, rest, session }) => {
        if (session.number === 1) return session.send(said === '+ ' ? '+ \r\n' : `${tag} ${said}\r\n`);
        if (!rest.includes(' ')) {
          await session.send('+ \r\n');
          await session.line();
        }
        return session.send(`${tag} OK [CAPABILITY ${ONE_LINE}] in\r\n`);
      },
    };
    const { server, source } = await against(script, { capabilities: ONE_LINE });
    await source.connect(signal);
    expect(server.connections()).toBe(2);
  });

  it('dials nobody for a user name that could smuggle a command', async () => {
    const login = async () => ({ kind: 'password', user: 'a\r\nX DELETE INBOX', password: 'x' }) as const;
    const { server, source } = await against({}, {}, { login });
    expect(await failure(source.connect(signal))).toMatchObject({ code: 'VALIDATION' });
    expect(server.connections()).toBe(0);
  });

  it.each(['CAPABILITY', 'AUTHENTICATE', 'NAMESPACE', 'LIST', 'STATUS', 'EXAMINE', 'UID FETCH'])(
    'says so when the server hangs up at %s',
    async (name) => {
      const capabilities = name === 'CAPABILITY' ? undefined : 'IMAP4rev1 AUTH=PLAIN NAMESPACE';
      const greeting = name === 'CAPABILITY' ? '* OK hello\r\n' : undefined;
      const { source } = await against({ [name]: ({ session }) => session.hangUp() }, { capabilities, greeting });
      const all = async (): Promise<void> => {
        await source.connect(signal);
        await source.listFolders(signal);
        await collect(source.scan(inbox, null, signal));
        await read(source, 1, 2, 3);
      };
      expect(await failure(all())).toMatchObject({ name: 'TransferError', side: 'source', code: 'CONNECT_FAILED' });
    },
  );

  it('gives up on a server that greets with nothing, within the deadline', async () => {
    const { source } = await against({}, { greeting: null }, { openDeadlineMs: 200 });
    expect(await failure(source.connect(signal))).toMatchObject({ code: 'TIMEOUT' });
  });

  it.each([
    ['garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a wrong tag', '* OK hi\r\nZZ9 OK what\r\n'],
  ])('does not take %s for IMAP', async (_, greeting) => {
    const script: Script = { CAPABILITY: () => undefined };
    const { source } = await against(script, { greeting }, { openDeadlineMs: 500 });
    expect(['PROTOCOL_ERROR', 'TIMEOUT', 'CONNECT_FAILED']).toContain((await failure(source.connect(signal))).code);
  });
});

/** Sends without end until the client goes; how much the client's process grew meanwhile is the test's affair. */
async function endless({ socket }: { socket: import('node:net').Socket }): Promise<void> {
  const chunk = Buffer.alloc(256 * 1024, 'x');
  for (let sent = 0; sent < 2_000 && !socket.destroyed; sent++) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
  }
}

describe('memory', () => {
  const GROWTH = 64 * 1024 * 1024;
  it.each(['CAPABILITY', 'LIST', 'UID FETCH'])('is not filled by a line without end at %s', async (name) => {
    const greeting = name === 'CAPABILITY' ? '* OK hello\r\n' : undefined;
    const { source } = await against({ [name]: ({ session }) => endless(session) }, { greeting });
    const before = process.memoryUsage().rss;
    const all = async (): Promise<string[]> => {
      await source.listFolders(signal);
      return [...(await read(source, 1)).values()];
    };
    expect(await all().catch((error: { code: string }) => [error.code])).toEqual(['MESSAGE_TOO_LARGE']);
    expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH);
  });

  it('is not filled by a literal that is announced too large, and the other messages arrive', async () => {
    const script: Script = {
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) {
          if (uid !== 2) await session.send(fetched(uid, body(uid)));
          else {
            await session.send('* 2 FETCH (UID 2 BODY[] {9999999999}\r\n');
            return endless(session);
          }
        }
        await session.send(`${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    const before = process.memoryUsage().rss;
    const told = await read(source, 1, 2, 3);
    expect([...told].sort()).toEqual([
      [1, body(1)],
      [2, 'MESSAGE_TOO_LARGE'],
      [3, body(3)],
    ]);
    expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH);
  });
});

describe('reading', () => {
  it('goes on where it was after a cut in the middle of a body', async () => {
    let cuts = 0;
    const asked: number[] = [];
    const script: Script = {
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) {
          asked.push(uid);
          if (uid === 2 && cuts++ === 0) {
            await session.send(fetched(2, body(2)).slice(0, -10));
            return session.hangUp();
          }
          await session.send(fetched(uid, body(uid)));
        }
        await session.send(`${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    const told = await read(source, 1, 2, 3);
    expect([...told].sort()).toEqual([1, 2, 3].map((uid) => [uid, body(uid)]));
    expect(asked.filter((uid) => uid === 1)).toHaveLength(1);
  });

  it('finds the one message that makes a whole range fail, and says so only of that one', async () => {
    const script: Script = {
      'UID FETCH': async ({ tag, rest, session }) => {
        const uids = uidsIn(rest);
        if (uids.includes(5)) return session.send(`${tag} NO Some messages could not be FETCHed\r\n`);
        for (const uid of uids) await session.send(fetched(uid, body(uid)));
        await session.send(`${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    const told = await read(source, 1, 2, 3, 4, 5, 6, 7, 8);
    expect([...told].filter(([, what]) => what === 'UNREADABLE')).toEqual([[5, 'UNREADABLE']]);
    expect([...told].filter(([uid, what]) => what === body(uid))).toHaveLength(7);
  }, 20_000);

  it('does not take a body that is longer or shorter than announced', async () => {
    for (const wrong of [2, -2]) {
      let tries = 0;
      const script: Script = {
        'UID FETCH': async ({ tag, rest, session }) => {
          for (const uid of uidsIn(rest)) {
            const size = body(uid).length + (uid === 2 && tries++ === 0 ? wrong : 0);
            await session.send(`* ${uid} FETCH (UID ${uid} BODY[] {${size}}\r\n${body(uid)})\r\n`);
          }
          await session.send(`${tag} OK done\r\n`);
        },
      };
      const { source } = await against(script);
      const told = await read(source, 1, 2, 3);
      expect([...told].sort()).toEqual([1, 2, 3].map((uid) => [uid, body(uid)]));
    }
  });

  it('understands a server that tells the UID after the body, or sends bodies as quoted strings', async () => {
    const script: Script = {
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) {
          const text = uid === 3 ? '"Subject: 3"' : `{${body(uid).length}}\r\n${body(uid)}`;
          await session.send(`* ${uid} FETCH (FLAGS () BODY[] ${text} UID ${uid})\r\n`);
        }
        await session.send(`${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    const told = await read(source, 1, 2, 3);
    expect([...told].sort()).toEqual([
      [1, body(1)],
      [2, body(2)],
      [3, 'Subject: 3'],
    ]);
  });

  it('waits as long as the server asks, and gives no message up for it', async () => {
    const script: Script = {
      'UID FETCH': ({ tag, session }) =>
        session.send(`${tag} BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds\r\n`),
    };
    const { source } = await against(script);
    const error = await failure(read(source, 1, 2));
    expect(error).toMatchObject({ code: 'THROTTLED', retry: 'later', scope: 'account', retryAfterMs: 299_961 });
  });

  it('tells the used-up volume of a day from a full mailbox', async () => {
    const script: Script = {
      'UID FETCH': ({ tag, session }) =>
        session.send(`${tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits.\r\n`),
    };
    const { source } = await against(script);
    expect(await failure(read(source, 1))).toMatchObject({ code: 'VOLUME_EXHAUSTED', retry: 'later' });
  });

  it('does not mark message after message unreadable when the server breaks at all of them', async () => {
    const { source } = await against({ 'UID FETCH': ({ session }) => session.hangUp() });
    const uids = Array.from({ length: 20 }, (_, i) => i + 1);
    const outcomes: ReadOutcome[] = [];
    const all = async (): Promise<void> => {
      for await (const outcome of source.read(inbox, refs(...uids), new BodyStaging(), signal)) outcomes.push(outcome);
    };
    expect(await failure(all())).toMatchObject({ scope: 'connection', code: 'CONNECT_FAILED' });
    expect(outcomes.length).toBeLessThan(3);
  }, 20_000);

  it('does not take the note that stands in for a message for the message', async () => {
    const note =
      'Subject: Retrieval using the IMAP4 protocol failed for the following message: 2\r\nFrom: Microsoft Exchange Server 2010\r\n\r\nThe server could not retrieve the following message:\r\n';
    const { source } = await against({
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) await session.send(fetched(uid, uid === 2 ? note : body(uid)));
        await session.send(`${tag} OK done\r\n`);
      },
    });
    expect([...(await read(source, 1, 2, 3))]).toEqual([
      [1, body(1)],
      [2, 'SERVER_STAND_IN'],
      [3, body(3)],
    ]);
  });

  it('gives back what was staged when the connection ends while the last bytes are put away', async () => {
    let put = 0;
    let released = 0;
    let arrived = (): void => undefined;
    const slow = new BodyStaging();
    const { server, source } = await against({
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) await session.send(fetched(uid, body(uid)));
        await session.send(`${tag} OK done\r\n`);
      },
    });
    const cut = new AbortController();
    const staging = {
      async put(...given: Parameters<BodyStaging['put']>) {
        const staged = await slow.put(...given);
        put++;
        arrived();
        // The connection is gone before this comes back.
        await new Promise((done) => setTimeout(done, 50));
        return Object.assign(Object.create(staged) as typeof staged, {
          release: async () => {
            released++;
            await staged.release();
          },
        });
      },
    };
    const first = new Promise<void>((done) => (arrived = done));
    const reading = collect(source.read(inbox, refs(1, 2, 3), staging, cut.signal)).catch(() => []);
    await first;
    cut.abort(new Error('stop'));
    await server.close();
    for (const outcome of await reading) if (outcome.is === 'staged') await outcome.item.body.release();
    await new Promise((done) => setTimeout(done, 200));
    expect(put).toBeGreaterThan(0);
    expect(released).toBe(put);
  });

  it('says EPOCH_CHANGED when the folder was numbered anew', async () => {
    const script: Script = {
      EXAMINE: ({ tag, session }) =>
        session.send(`* 1 EXISTS\r\n* OK [UIDVALIDITY 8] ok\r\n* OK [UIDNEXT 2] ok\r\n${tag} OK [READ-ONLY] done\r\n`),
    };
    const { source } = await against(script);
    expect(await failure(read(source, 1))).toMatchObject({ code: 'EPOCH_CHANGED', scope: 'folder' });
  });

  it('takes no body that comes before the folder is open, nor one of another numbering', async () => {
    const script: Script = {
      // The body of what would be another folder's message, before this one is open.
      EXAMINE: async ({ tag, session }) => {
        await session.send(fetched(1, 'Subject: not asked for\r\n\r\n'));
        await session.send(`* 1 EXISTS\r\n* OK [UIDVALIDITY 8] ok\r\n* OK [UIDNEXT 2] ok\r\n${tag} OK done\r\n`);
      },
      'UID FETCH': async ({ tag, session }) => {
        await session.send(fetched(1, body(1)));
        await session.send(`${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    const staging = { put: () => Promise.reject(new Error('it was taken')) };
    const reading = collect(source.read(inbox, refs(1), staging, signal));
    expect(await failure(reading)).toMatchObject({ code: 'EPOCH_CHANGED', side: 'source' });
  });

  it('lists small folders in one burst, and an empty one without opening it', async () => {
    const script: Script = {
      LIST: ({ tag, session }) =>
        session.send(
          `${['INBOX', 'a', 'b', 'c'].map((name) => `* LIST () "/" ${name}\r\n`).join('')}${tag} OK done\r\n`,
        ),
      STATUS: ({ tag, rest, session }) => {
        const messages = rest.startsWith('"c"') ? 0 : 3;
        const told = `MESSAGES ${messages} UIDNEXT 4 UIDVALIDITY 7`;
        return session.send(`* STATUS ${rest.slice(0, rest.lastIndexOf(' ('))} (${told})\r\n${tag} OK done\r\n`);
      },
      EXAMINE: ({ tag, session }) =>
        session.send(`* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\n${tag} OK [READ-ONLY] done\r\n`),
      'UID FETCH': ({ tag, session }) =>
        session.send(
          `* 1 FETCH (UID 1 FLAGS () INTERNALDATE "13-May-2014 16:53:20 +0000" RFC822.SIZE 9)\r\n${tag} OK done\r\n`,
        ),
    };
    const { server, source } = await against(script);
    await source.connect(signal);
    const folders = await source.listFolders(signal);
    source.expect(folders, signal);
    for (const folder of folders) {
      const pages = await collect(source.scan(folder, null, signal));
      expect(pages.flatMap((page) => page.items)).toHaveLength(folder.path[0] === 'c' ? 0 : 1);
    }
    const opened = server.lines
      .filter((line) => / (EXAMINE|UID FETCH) /.test(line))
      .map((line) => line.split(' ').slice(1, 3));
    expect(opened.filter(([verb]) => verb === 'EXAMINE').map(([, name]) => name)).toEqual(['"INBOX"', '"a"', '"b"']);
    expect(opened).toHaveLength(6);
  });

  it('asks for the numbers first where an opening does not tell them, and takes none where they do not last', async () => {
    const opening =
      (line: string): Script[string] =>
      ({ tag, session }) =>
        session.send(`* 2 EXISTS\r\n${line}* OK [UIDNEXT 3] next\r\n${tag} OK [READ-ONLY] done\r\n`);
    const bodies: Script[string] = async ({ tag, rest, session }) => {
      for (const uid of uidsIn(rest)) await session.send(fetched(uid, body(uid)));
      await session.send(`${tag} OK done\r\n`);
    };
    const { source } = await against({ EXAMINE: opening(''), 'UID FETCH': bodies });
    expect(await read(source, 1, 2)).toEqual(new Map([1, 2].map((uid) => [uid, body(uid)])));
    expect(await read(source, 2)).toEqual(new Map([[2, body(2)]]));
    const notSticky = opening('* OK [UIDVALIDITY 7] valid\r\n* NO [UIDNOTSTICKY] not lasting\r\n');
    const other = await against({ EXAMINE: notSticky, 'UID FETCH': bodies });
    await expect(collect(other.source.scan(inbox, null, signal))).rejects.toMatchObject({ code: 'IDS_NOT_LASTING' });
  });

  it('misses what a server leaves out of its list, and lists what has no size', async () => {
    const line = (uid: number, size: string): string =>
      `* ${uid} FETCH (UID ${uid} FLAGS () INTERNALDATE "13-May-2014 16:53:20 +0000" RFC822.SIZE ${size})\r\n`;
    const listing =
      (text: (uid: number, nth: number) => string): Script[string] =>
      async ({ tag, rest, session }) => {
        nth++;
        for (const uid of uidsIn(rest.replace('*', '3'))) if (uid <= 3) await session.send(text(uid, nth));
        await session.send(`${tag} OK done\r\n`);
      };
    let nth = 0;
    const scanned = async (text: (uid: number, nth: number) => string) => {
      nth = 0;
      const { source } = await against({ 'UID FETCH': listing(text) });
      const pages = await collect(source.scan(inbox, null, signal));
      return {
        uids: pages.flatMap(({ items }) => items.map(({ locator }) => Buffer.from(locator).readUInt32BE())),
        sizes: pages.flatMap(({ items }) => items.map(({ size }) => size)),
        short: pages.some(({ short }) => short === true),
      };
    };
    expect(await scanned((uid) => line(uid, '21'))).toMatchObject({ uids: [1, 2, 3], short: false });
    expect(await scanned((uid) => (uid === 2 ? '' : line(uid, '21')))).toMatchObject({ uids: [1, 3], short: true });
    expect(await scanned((uid, n) => (uid === 2 && n < 2 ? '' : line(uid, '21')))).toMatchObject({ short: false });
    expect(await scanned((uid) => line(uid, uid === 2 ? 'NIL' : '21'))).toMatchObject({
      sizes: [21, 0, 21],
      short: false,
    });
  });

  it('releases what nobody took when the reader stops early', async () => {
    const script: Script = {
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest)) await session.send(fetched(uid, body(uid)));
        await session.send(`${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    let held = 0;
    const staging = new BodyStaging();
    const counting = {
      async put(...args: Parameters<BodyStaging['put']>) {
        const staged = await staging.put(...args);
        held++;
        return {
          ...staged,
          size: staged.size,
          open: () => staged.open(),
          release: async () => {
            held--;
            await staged.release();
          },
        };
      },
    };
    for await (const outcome of source.read(inbox, refs(1, 2, 3), counting, signal)) {
      if (outcome.is === 'staged') await outcome.item.body.release();
      break;
    }
    expect(held).toBe(0);
  });
});

describe('folders', () => {
  const NAMES = [
    '__proto__',
    'constructor',
    'toString',
    '<script>alert(1)</script>',
    '../../etc/passwd',
    '&IC4-abc',
    'x'.repeat(2_000),
    'raw \xfc\xff bytes',
    'quote " and \\ backslash',
    '&broken',
  ];
  it('lists them whatever they are called, each with an id of its own that text can hold', async () => {
    const script: Script = {
      LIST: async ({ tag, session }) => {
        for (const name of ['INBOX', ...NAMES, 'nul\0name']) {
          await session.send(
            Buffer.from(`* LIST (\\HasNoChildren constructor) "/" {${name.length}}\r\n${name}\r\n`, 'latin1'),
          );
        }
        await session.send(`${tag} OK done\r\n`);
      },
      STATUS: async ({ tag, rest, session }) => {
        const literal = /\{(\d+)\+\}$/.exec(rest);
        if (literal !== null) {
          await session.bytes(Number(literal[1]));
          await session.line();
        }
        await session.send(`* STATUS x (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n${tag} OK done\r\n`);
      },
    };
    const { source } = await against(script);
    const folders = await source.listFolders(signal);
    expect(folders).toHaveLength(NAMES.length + 2);
    expect(new Set(folders.map((folder) => folder.id)).size).toBe(folders.length);
    expect(folders.filter((folder) => folder.selectable).map((folder) => source.rawOf(folder))).toEqual([
      'INBOX',
      ...NAMES,
    ]);
    expect(folders.every((folder) => !folder.id.includes('\0') && folder.id.length <= 500)).toBe(true);
    expect(folders.at(-1)?.leftOut?.code).toBe('FOLDER_NAME');
    expect(folders.find((folder) => folder.path[0] === '__proto__')?.role).toBeUndefined();
  });

  it('asks plainly, on a new connection, when the server answers BAD to the extended listing it offers', async () => {
    const script: Script = {
      LIST: ({ tag, rest, session }) =>
        session.send(
          rest.includes('RETURN')
            ? `${tag} BAD what?\r\n`
            : `* LIST (\\HasNoChildren) "/" INBOX\r\n* LIST (\\Sent) "/" Post\r\n${tag} OK done\r\n`,
        ),
    };
    const capabilities = 'IMAP4rev1 AUTH=PLAIN LITERAL+ LIST-EXTENDED SPECIAL-USE';
    const { server, source } = await against(script, { capabilities });
    for (let i = 0; i < 2; i++)
      expect((await source.listFolders(signal)).map(({ role }) => role)).toEqual(['inbox', 'sent']);
    expect(server.lines.filter((line) => line.includes('RETURN'))).toHaveLength(1);
  });

  it('are selected, not examined, where a server tells no UIDNEXT: only then do its UIDs last', async () => {
    const script: Script = {
      EXAMINE: ({ tag, session }) =>
        session.send(`* 1 EXISTS\r\n* OK [UIDVALIDITY 8] ok\r\n${tag} OK [READ-ONLY] done\r\n`),
    };
    const { server, source } = await against(script, { capabilities: 'IMAP4rev1 AUTH=PLAIN' });
    await source.listFolders(signal);
    await collect(source.scan(inbox, null, signal));
    const verbs = server.lines.flatMap((line) => / (EXAMINE|SELECT|STATUS) /.exec(line)?.[1] ?? []);
    expect(verbs.slice(0, 3)).toEqual(['EXAMINE', 'SELECT', 'STATUS']);
    expect(verbs.filter((verb) => verb === 'EXAMINE')).toHaveLength(1);
  });

  it('never takes an empty listing for an empty mailbox', async () => {
    const { source } = await against({ LIST: ({ tag, session }) => session.send(`${tag} OK done\r\n`) });
    expect(await failure(source.listFolders(signal))).toMatchObject({ code: 'NO_FOLDERS' });
  });

  it("strips the personal prefix, finds roles by name, and leaves other people's folders out", async () => {
    const script: Script = {
      NAMESPACE: ({ tag, session }) =>
        session.send(`* NAMESPACE (("INBOX." ".")) (("user." ".")) (("Public." "."))\r\n${tag} OK done\r\n`),
      LIST: ({ tag, session }) =>
        session.send(
          ['INBOX', 'INBOX.Gesendet', 'INBOX.Sent', 'INBOX.Arbeit.&ANw-bersicht', 'user.bob', 'Public.News']
            .map((name) => `* LIST (${name.endsWith('Arbeit') ? '\\Noselect' : ''}) "." "${name}"\r\n`)
            .join('') + `${tag} OK done\r\n`,
        ),
    };
    const capabilities = 'IMAP4rev1 AUTH=PLAIN NAMESPACE LITERAL+';
    const { server, source } = await against(script, { capabilities });
    const folders = await source.listFolders(signal);
    expect(folders.map(({ path, role, leftOut }) => [path.join('/'), role, leftOut?.code])).toEqual([
      ['INBOX', 'inbox', undefined],
      ['Gesendet', 'sent', undefined],
      ['Sent', undefined, undefined],
      ['Arbeit/Übersicht', undefined, undefined],
      ['user/bob', undefined, 'SHARED_FOLDER'],
      ['Public/News', undefined, 'SHARED_FOLDER'],
    ]);
    expect(server.lines.filter((line) => /STATUS "(user|Public)/.test(line))).toEqual([]);
  });
});
