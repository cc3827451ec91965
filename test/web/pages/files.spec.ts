import request from 'supertest';
import { PANEL_USER } from '../../fakes/fake-panel.js';
import { PASSED } from '../../browser/stage.js';
import { startWeb, type WebApp } from '../web-app.js';
import { PagesVisitor } from './visitor.js';

const ICS = 'BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n';
const VCF = 'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna\r\nEND:VCARD\r\n';

let web: WebApp;
let alice: PagesVisitor;
beforeAll(async () => {
  web = await startWeb({ destinationTakes: ['mail', 'contacts', 'calendars', 'tasks'] });
});
afterAll(() => web.close());
beforeEach(async () => {
  web.room.records.clear();
  web.room.nextTest = PASSED;
  alice = new PagesVisitor(web, 'alice');
  await alice.goto('/new');
  await alice.submit('/new', {});
});

const job = () => [...web.room.records.values()].at(-1)!;
const names = () => (job().view.source.files ?? []).map(({ name }) => name);

async function toFiles(): Promise<void> {
  await alice.submit('/type', { provider: 'files' });
  await alice.submit('/existing', { do: 'continue' });
  await alice.submit('/items', { kinds: ['contacts', 'calendars', 'tasks'] });
}

describe('files as a source, without JavaScript', () => {
  it('are offered beside the other accounts, and not where nothing but mail is taken', async () => {
    expect(alice.text).toContain('Files ending in .ics or .vcf');
    const other = await startWeb();
    try {
      const bob = new PagesVisitor(other, 'bob');
      await bob.goto('/new');
      await bob.submit('/new', {});
      expect(bob.text).toContain('Other (IMAP)');
      expect(bob.text).not.toContain('.vcf');
      expect(bob.text).not.toContain('Nextcloud');
    } finally {
      await other.close();
    }
  });

  it('go from the upload of several, through the test, to a started migration', async () => {
    await toFiles();
    expect(alice.title).toBe('Which files do you want to import?');
    await alice.upload('/files', { do: 'upload' }, [
      ['My events.ics', ICS],
      ['people.vcf', VCF],
    ]);
    expect(alice.path).toMatch(/\/connection$/);
    expect(alice.text).toContain('My events.ics');
    expect(names()).toEqual(['My events.ics', 'people.vcf']);
    await alice.upload('/files', { do: 'test' }, []);
    expect(alice.path).toMatch(/\/test$/);
    expect(alice.title).toBe('Look into the files');
    expect(alice.text).toContain('The files can be read');
    await alice.submit('/test', { do: 'continue', folders: ['0', '1', '2', '3', '4', '5', '6', '7'] });
    expect(alice.text).toContain('people.vcf');
    await alice.submit('/review', { do: 'start' });
    expect(job().view).toMatchObject({ state: 'queued', source: { type: 'files', provider: 'files' } });
  });

  it('are kept whatever button is pressed, replaced by name, and removed', async () => {
    await toFiles();
    await alice.upload('/files', { do: 'test' }, [['a.ics', ICS]]);
    expect(alice.path).toMatch(/\/test$/);
    await alice.goto(`/new/${job().view.id}/connection`);
    const [first] = job().view.source.files!;
    await alice.upload('/files', { do: 'back' }, [['a.ics', ICS + ICS]]);
    expect(alice.path).toMatch(/\/items$/);
    expect(names()).toEqual(['a.ics']);
    expect(job().view.source.files![0]!.id).not.toBe(first!.id);
    await alice.goto(`/new/${job().view.id}/connection`);
    await alice.upload('/files', { remove: job().view.source.files![0]!.id }, []);
    expect(names()).toEqual([]);
    await alice.goto(`/new/${job().view.id}/test`);
    expect(alice.path).toContain('/connection');
  });

  it('that are none are named with the reason, and the others are kept', async () => {
    await toFiles();
    await alice.upload('/files', { do: 'test' }, [
      ['page.ics', '<!doctype html><html><body>Please sign in</body></html>'],
      ['good.vcf', VCF],
      ['all.zip', 'PK\u0003\u0004 and so on'],
      ['nothing.ics', ''],
      ['<b>"bold".ics', '%PDF-1.7'],
    ]);
    expect(alice.page.status).toBe(422);
    expect(alice.text).toContain('4 files were not taken');
    expect(alice.text).toContain('page.ics : This is no calendar or contact file.');
    expect(alice.text).toContain('all.zip : This is a compressed archive.');
    expect(alice.text).toContain('nothing.ics : This file is empty.');
    expect(alice.page.text).not.toContain('<b>"bold"');
    expect(names()).toEqual(['good.vcf']);
  });

  it('must be chosen before they are looked into', async () => {
    await toFiles();
    await alice.upload('/files', { do: 'test' }, []);
    expect(alice.page.status).toBe(422);
    expect(alice.error('files')).toBe('Please choose at least one file.');
  });

  it('are not taken from another site, or from somebody else', async () => {
    await toFiles();
    await alice.upload('/files', { _csrf: 'guessed' }, [['a.ics', ICS]]);
    expect(alice.page.status).toBe(403);
    expect(names()).toEqual([]);
    const bob = await request(web.server)
      .post(`/migrate/api/v1/jobs/${job().view.id}/files`)
      .set('Authorization', `Bearer ${await web.token({ sub: 'bob', mailbox: 'bob@new.test' })}`)
      .attach('file', Buffer.from(ICS), 'a.ics');
    expect(bob.status).toBe(404);
    expect(names()).toEqual([]);
  });

  it('a form that breaks off keeps nothing of its last file, and the next one is heard', async () => {
    await toFiles();
    const csrf = alice.value('_csrf')!;
    const head = `--x\r\nContent-Disposition: form-data; name="_csrf"\r\n\r\n${csrf}\r\n--x\r\nContent-Disposition: form-data; name="files"; filename="cut.ics"\r\n\r\n`;
    const cut = await request(web.server)
      .post(`/migrate/new/${job().view.id}/files`)
      .set(PANEL_USER, 'alice')
      .set('Content-Type', 'multipart/form-data; boundary=x')
      .send(Buffer.from(head + ICS));
    expect(cut.status).toBe(400);
    await alice.upload('/files', { do: 'upload' }, [['whole.ics', ICS]]);
    expect(names()).toContain('whole.ics');
  });

  it('an upload page that is loaded again is the page of the files', async () => {
    await toFiles();
    await alice.goto(`/new/${job().view.id}/files`);
    expect(alice.title).toBe('Which files do you want to import?');
  });
});

describe('files by the API', () => {
  let bearer: string;
  beforeEach(async () => {
    bearer = `Bearer ${await web.token({ sub: 'alice', mailbox: 'alice@new.test' })}`;
  });
  const api = (method: 'post' | 'delete', path: string) =>
    request(web.server)[method](`/migrate/api/v1${path}`).set('Authorization', bearer);

  it('a draft is made, filled, tested and started', async () => {
    const made = await api('post', '/jobs').send({
      mailbox: 'alice@new.test',
      source: { type: 'files' },
      items: ['calendars', 'contacts'],
    });
    expect(made.status).toBe(201);
    const { id } = made.body as { id: string };
    const sent = await api('post', `/jobs/${id}/files`)
      .attach('file', Buffer.from(ICS), '../../etc/cal.ics')
      .attach('file', Buffer.from('hello'), 'x.txt');
    expect(sent.status).toBe(201);
    expect(sent.body).toMatchObject({
      files: [{ name: 'cal.ics', bytes: ICS.length }],
      refused: [{ name: 'x.txt', code: 'FILE_NOT_CALENDAR' }],
    });
    const [file] = (sent.body as { files: { id: string }[] }).files;
    expect((await api('post', `/jobs/${id}/start`).send()).status).toBe(202);
    expect((await api('post', `/jobs/${id}/files`).attach('file', Buffer.from(ICS), 'b.ics')).status).toBe(409);
    expect((await api('delete', `/jobs/${id}/files/${file!.id}`).send()).status).toBe(409);
  });

  it('says what is wrong with what was sent', async () => {
    const { id } = job().view;
    const refused = await api('post', `/jobs/${id}/files`).attach('file', Buffer.from(ICS), 'a.ics');
    expect(refused.status).toBe(422);
    expect((await api('post', `/jobs/${id}/files`).send({})).status).toBe(422);
    expect((await api('post', `/jobs/${id}/files`).field('a', 'b')).status).toBe(422);
    const source = { type: 'files', host: 'x.test' };
    const wrong = await api('post', '/jobs').send({ mailbox: 'alice@new.test', source });
    expect(wrong.status).toBe(422);
  });
});

describe('Nextcloud as a source', () => {
  async function toServer(): Promise<void> {
    await alice.submit('/type', { provider: 'nextcloud' });
    await alice.submit('/existing', { do: 'continue' });
    await alice.submit('/items', { kinds: ['contacts', 'calendars', 'tasks'] });
  }

  it('has no mail, and is read over CalDAV and CardDAV alone', async () => {
    await alice.submit('/type', { provider: 'nextcloud' });
    await alice.submit('/existing', { do: 'continue' });
    expect(alice.text).toContain('Nextcloud does not offer this to other programs.');
    await alice.submit('/items', { kinds: ['mail', 'contacts', 'calendars'] });
    expect(alice.text).toContain('Make an app password');
    await alice.submit('/connection', { host: 'cloud.old.example', username: 'anna', password: 'x', do: 'test' });
    expect(alice.path).toMatch(/\/test$/);
    expect(job().view).toMatchObject({
      items: ['contacts', 'calendars'],
      source: { type: 'dav', provider: 'nextcloud', host: 'cloud.old.example', port: 443, security: 'tls' },
    });
  });

  it('takes the address as it stands in the browser', async () => {
    await toServer();
    const host = 'https://cloud.old.example/nextcloud/index.php/apps/calendar/dayGridMonth/now';
    await alice.submit('/connection', { host, username: 'anna', password: 'x', do: 'test' });
    expect(job().view.source).toMatchObject({
      host: 'cloud.old.example',
      port: 443,
      dav: { url: 'https://cloud.old.example/nextcloud/remote.php/dav/' },
    });
  });
});
