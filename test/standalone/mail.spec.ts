import { Mailer } from '../../src/standalone/mail/mailer.js';
import { letterFor } from '../../src/standalone/mail/notices.js';
import { smtp } from './smtp.js';

describe('notices of the standalone host', () => {
  test('go out as a plain mail with a link to the page', async () => {
    const { server, port, mails } = await smtp();
    const letter = letterFor(
      'needs-action',
      { mailbox: 'alice@new.test', jobId: 'j1', message: 'The server does not accept this.', action: 'Type it again.' },
      'https://migrate.example/migrate',
    );
    const mailer = new Mailer({ host: '127.0.0.1', port, security: 'none', from: 'ferry@hoster.test' });
    await mailer.send('alice@new.test', letter);
    server.close();
    expect(mails).toHaveLength(1);
    expect(mails[0]).toMatch(/^From: ferry@hoster\.test\r$/m);
    expect(mails[0]).toMatch(/^Subject: The migration into alice@new\.test needs you\r$/m);
    expect(mails[0]).toContain('https://migrate.example/migrate/jobs/j1');
  });

  test('fail when the server does not take them, so that they are sent again', async () => {
    const mailer = new Mailer({ host: '127.0.0.1', port: 1, security: 'none', from: 'ferry@hoster.test' });
    await expect(mailer.send('a@b.test', { subject: 's', text: 't' })).rejects.toThrow();
  });

  test('never go in clear where encryption is asked for', async () => {
    const { server, port, mails } = await smtp();
    const mailer = new Mailer({ host: '127.0.0.1', port, from: 'ferry@hoster.test' });
    await expect(mailer.send('a@b.test', { subject: 's', text: 't' })).rejects.toThrow();
    server.close();
    expect(mails).toEqual([]);
  });

  test.each([
    'started',
    'needs-action',
    'finished',
    'failed',
    'invitation',
    'batch-progress',
    'batch-needs-action',
  ] as const)('have words for %s', (template) => {
    const { subject, text } = letterFor(template, { mailbox: 'a@b.test', domain: 'b.test', link: 'https://x' }, null);
    expect(subject).not.toBe('');
    expect(subject).not.toMatch(/undefined|[\r\n]/);
    expect(text).not.toMatch(/undefined/);
  });
});
