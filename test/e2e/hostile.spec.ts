import { hoster, readMailbox } from '../servers/dovecot.js';
import { fetched, scriptedImap, type Session, uidsIn } from '../servers/scripted-imap.js';
import type { Report } from '../../src/reports/contract.js';
import { type Stack, startStack } from './stack.js';
import { Visitor } from './visitor.js';

const RLO = '\u202e';
/** As the server writes them: bytes, one character each. */
const NAMES = [
  'INBOX',
  '<img src=x onerror=alert(1)>',
  `"quoted" 'name' &amp; {{secret}}`,
  Buffer.from(`gnp.${RLO}exe`).toString('latin1'),
  '__proto__',
  'constructor',
  'toString',
  '..',
  '../../etc/passwd',
  '/absolute',
  'line\r\nA1 LOGOUT',
  'nul\u0000byte',
  '&AAA-encoded nul',
  '*',
  '%',
  '&broken-utf7',
  'x'.repeat(2_000),
  Array.from({ length: 60 }, (_, n) => `level ${n}`).join('/'),
  '=HYPERLINK("http://evil.test")',
];
/** Reads past a name that came as a literal. */
async function literal(rest: string, session: Session): Promise<void> {
  const size = /\{(\d+)\+\}$/.exec(rest)?.[1];
  if (size === undefined) return;
  await session.bytes(Number(size));
  await session.line();
}
const MESSAGE = 'From: <b>eve</b>\r\nSubject: =1+1\r\nMessage-ID: <1@evil.test>\r\n\r\nHello\r\n';

describe('an old server whose folders are called to do harm (cases 18 to 20)', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ env: { MAILFERRY_ALLOW_PLAINTEXT: 'true' } });
  });
  afterAll(() => stack?.stop());

  it('is copied whole: every folder arrives or is named, and everything it said is text', async () => {
    const server = await scriptedImap({
      LIST: ({ tag, rest, session }) =>
        session.send(
          rest.startsWith('"" ""')
            ? `* LIST (\\Noselect) "/" ""\r\n${tag} OK done\r\n`
            : [...NAMES.map((name) => `* LIST () "/" {${name.length}}\r\n${name}`), `${tag} OK done`, ''].join('\r\n'),
        ),
      STATUS: async ({ tag, rest, session }) => {
        await literal(rest, session);
        await session.send(`${tag} NO not now\r\n`);
      },
      EXAMINE: async ({ tag, rest, session }) => {
        await literal(rest, session);
        await session.send(
          `* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 2] ok\r\n${tag} OK [READ-ONLY] done\r\n`,
        );
      },
      'UID FETCH': async ({ tag, rest, session }) => {
        for (const uid of uidsIn(rest).filter((one) => one === 1))
          await session.send(
            /BODY/.test(rest)
              ? fetched(uid, MESSAGE)
              : `* 1 FETCH (UID 1 FLAGS () INTERNALDATE "13-May-2014 16:53:20 +0000" RFC822.SIZE ${MESSAGE.length})\r\n`,
          );
        await session.send(`${tag} OK done\r\n`);
      },
    });
    try {
      const to = hoster.account();
      const api = await stack.api(to.user);
      const source = {
        type: 'imap',
        host: '127.0.0.1',
        port: server.port,
        security: 'none',
        username: 'eve',
        password: 'password of eve',
      };
      const test = await api.post('/connection-tests', { source, mailbox: to.user, items: ['mail'] });
      expect(test.body).toMatchObject({ ok: true });
      const { body } = await api.post('/jobs', { mailbox: to.user, source, start: true });
      const done = await api.until(body.id, ['completed', 'failed', 'needs-action']);
      expect(done).toMatchObject({ state: 'completed' });

      const { body: report } = await api.get<Report>(`/jobs/${body.id}/report`);
      // A name with a NUL cannot be asked for; the folder is named instead.
      expect(report.counts.found).toBe(NAMES.length - 1);
      expect(JSON.stringify(report)).toContain('nul\ufffdbyte');
      const { found, copied, alreadyThere, skipped, failed } = report.counts;
      expect(copied + alreadyThere + skipped + failed).toBe(found);
      const arrived = (await readMailbox(to)).flatMap(({ messages }) => messages);
      expect(arrived.length + report.items.length).toBe(NAMES.length - 1);
      expect(copied).toBe(NAMES.length - 1);
      const paths = report.folders.map(({ path }) => path);
      expect(paths).toEqual(expect.arrayContaining(['__proto__', 'constructor', 'toString']));

      const visitor = await Visitor.signedIn(stack, to.user);
      for (const path of [`/jobs/${body.id}`, `/jobs/${body.id}/report`]) {
        const page = await visitor.get(`/migrate${path}`);
        expect(page.status).toBe(200);
        expect(page.text).not.toContain('<img src=x');
        expect(page.text).not.toContain('<b>eve');
        expect(page.text).toContain('&lt;img src');
      }
      const log = `${stack.worker.log()}\n${stack.web.log()}`.trim();
      for (const line of log.split('\n').filter(Boolean)) expect(() => JSON.parse(line) as unknown).not.toThrow();
    } finally {
      await server.close();
    }
  }, 150_000);
});
