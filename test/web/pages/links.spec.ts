import request from 'supertest';
import { reasonFor } from '../../../src/jobs/messages.js';
import { putJob } from '../../browser/stage.js';
import { formsOf, PagesVisitor } from './visitor.js';
import { startWeb, type WebApp } from '../web-app.js';

const WRONG = 'canary-of-a-wrong-password';

describe('the page behind a link for a password', () => {
  let web: WebApp;
  let owner: PagesVisitor;
  let path: string;
  beforeAll(async () => {
    web = await startWeb({ publicUrl: 'https://migrate.example' });
  });
  afterAll(() => web.close());
  beforeEach(async () => {
    web.room.records.clear();
    web.links.over.clear();
    web.links.given.length = web.log.length = 0;
    web.links.asksDestination = false;
    web.links.goesOn = true;
    web.links.failure = null;
    const { id } = await putJob(web, 'alice@new.test', { state: 'needs-action', reason: reasonFor('AUTH_FAILED') });
    path = `/links/t-${id}`;
    owner = new PagesVisitor(web, 'nobody');
  });

  it('takes the password of one old account from somebody who is not signed in, once', async () => {
    await owner.goto(path);
    expect(owner.page.status).toBe(200);
    expect(owner.text).toContain('alice@old.example at imap.old.example');
    expect(owner.page.headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' });
    expect(owner.page.headers['set-cookie']).toBeUndefined();
    await owner.submit(path, { password: 'right' });
    expect([owner.page.status, owner.title]).toEqual([200, 'Thank you, that is all']);
    expect(owner.text).toContain('your mail is being moved');
    expect(web.links.given).toEqual([{ token: path.slice('/links/'.length), password: 'right', seen: 'as shown' }]);
    await owner.goto(path);
    expect([owner.page.status, owner.title]).toEqual([410, 'This link has been used']);
    expect(owner.text).not.toContain('alice');
  });

  it('says when somebody else starts the move', async () => {
    web.links.goesOn = false;
    await owner.goto(path);
    await owner.submit(path, { password: 'right' });
    expect(owner.text).toContain('as soon as whoever moves it starts');
  });

  it('changes nothing by being looked at: mail scanners do that before people', async () => {
    for (let i = 0; i < 3; i++) await owner.goto(path);
    await request(web.server).head(`/migrate${path}`).expect(200);
    expect(web.links.given).toEqual([]);
    await owner.submit(path, { password: 'right' });
    expect(owner.title).toBe('Thank you, that is all');
  });

  it('keeps the link when a password is missing, unfit or refused, and gives none back', async () => {
    await owner.goto(path);
    await owner.submit(path, { password: '' });
    expect([owner.page.status, owner.error('password')]).toEqual([
      422,
      'Please type the password of your old mailbox.',
    ]);
    for (const unfit of [`${WRONG}\u0000`, WRONG.repeat(99)]) {
      await owner.submit(path, { password: unfit });
      expect([owner.page.status, owner.error('password')]).toEqual([422, expect.stringContaining('characters')]);
    }
    await owner.submit(path, { password: WRONG });
    expect(owner.page.status).toBe(422);
    expect(owner.error('password')).toContain('does not accept this password');
    expect(owner.page.text).not.toContain(WRONG);
    expect(web.links.given).toEqual([]);
    expect(formsOf(owner.page.text).some(({ action }) => action.endsWith(path))).toBe(true);
  });

  it('says that it was too often', async () => {
    web.links.refusal = 'RATE_LIMITED';
    await owner.goto(path);
    await owner.submit(path, { password: WRONG });
    expect([owner.page.status, owner.error('password')]).toEqual([429, expect.stringContaining('too many tries')]);
  });

  it('asks for the password of the new mailbox where the panel cannot open it', async () => {
    web.links.asksDestination = true;
    await owner.goto(path);
    await owner.submit(path, { password: 'right', destinationPassword: '' });
    expect(owner.page.status).toBe(422);
    expect(owner.error('destinationPassword')).not.toBe('');
    web.links.refusal = 'DESTINATION_AUTH_FAILED';
    await owner.submit(path, { password: 'right', destinationPassword: 'wrong' });
    expect(owner.error('password')).toBe('');
    expect(owner.error('destinationPassword')).toContain('new mailbox does not accept');
    await owner.submit(path, { password: 'right', destinationPassword: 'new' });
    expect(web.links.given).toMatchObject([{ password: 'right', destination: 'new' }]);
  });

  it.each([
    ['used', 410],
    ['expired', 410],
    ['needless', 200],
    ['unknown', 404],
  ] as const)(
    'says plainly that a link is %s, to who looks and to who types, and names nobody',
    async (over, status) => {
      await owner.goto(path);
      web.links.over.set(path.slice('/links/'.length), over);
      await owner.submit(path, { password: 'right' });
      const told = [owner.page.status, owner.title];
      expect(told).toEqual([status, expect.stringMatching(/^(This link|Nothing more)/)]);
      await owner.goto(path);
      expect([owner.page.status, owner.title]).toEqual(told);
      expect(owner.text).not.toContain('alice');
      expect(web.links.given).toEqual([]);
    },
  );

  it('answers nonsense as what is not there', async () => {
    for (const nonsense of ['/links/x', '/links/a.b.c', `/links/${'a'.repeat(3_000)}`, '/links/%00'])
      expect([nonsense, (await owner.goto(nonsense)).page.status]).toEqual([nonsense, 404]);
    for (const broken of ['/links/%E0%A4%A', '/links/', '/links/a/b'])
      expect((await owner.goto(broken)).page.status).toBeLessThan(500);
    expect(web.log).toEqual([]);
  });

  it('writes neither the link nor what was typed into the log when something of ours fails', async () => {
    web.links.failure = new Error('the disk is full');
    await owner.goto(path);
    await owner.submit(path, { password: WRONG });
    expect(owner.page.status).toBe(500);
    expect(web.log.join()).toContain('the disk is full');
    expect(web.log.join()).not.toContain(WRONG);
    expect(web.log.join()).not.toContain(path);
    expect(owner.page.text).not.toContain(WRONG);
  });
});
