import type { JobView } from '../../src/jobs/job.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { NO_FILES } from '../../src/jobs/settings.js';
import { STEPS } from '../../src/web/wizard/steps.js';
import { batchPages } from './batch-pages.js';
import { actorFor, failedTest, FOLDERS, OLD, PASSED, PROGRESS, putJob, UNTRUSTED } from './stage.js';
import type { WebApp } from '../web/web-app.js';

export interface Shown {
  readonly name: string;
  readonly who: string;
  readonly path: string;
}

const FORM = {
  provider: 'imap',
  connection: { host: OLD.host, port: '993', security: 'tls', username: OLD.username },
  kinds: ['mail'],
  existing: 'keep',
  done: ['type', 'existing', 'items', 'connection'],
};

/** A draft with everything typed, and the given test behind it. */
export async function putDraft(
  web: WebApp,
  mailbox: string,
  test: WebApp['room']['nextTest'] | null,
  change: Partial<JobView> = {},
) {
  const who = actorFor(mailbox);
  const { job } = await web.room.jobs.create(who, {
    mailbox,
    source: OLD,
    secret: { password: 'canary-secret' },
    items: ['mail'],
    form: FORM,
  });
  web.room.change(job.id, change);
  if (test !== null) {
    web.room.nextTest = test;
    const run = await web.room.tests.request(who, { job: job.id });
    await web.room.jobs.patch(who, job.id, { form: { ...FORM, run } });
  }
  return job.id;
}

/** A draft with files that were looked into. */
async function putFiles(web: WebApp, mailbox: string): Promise<string> {
  const who = actorFor(mailbox);
  const form = { provider: 'files', kinds: ['contacts', 'calendars'], done: FORM.done };
  const { job } = await web.room.jobs.create(who, {
    mailbox,
    source: NO_FILES,
    items: ['contacts', 'calendars'],
    form,
  });
  const names = ['Family.ics', 'contacts-2026-03-01 (exported from the telephone, all of them).vcf'];
  for (const name of names) await web.room.uploads.add(who, job.id, name, content());
  web.room.nextTest = {
    ...PASSED,
    gives: ['contacts', 'calendars'],
    folders: [
      { path: 'Family', levels: ['Family'], kind: 'calendars', items: 812, bytes: 912_000 },
      { path: names[1]!, levels: [names[1]!], kind: 'contacts', items: 240, bytes: 1_812_000 },
    ],
    totals: { folders: 2, items: 1052, bytes: 2_724_000 },
    plan: {
      ...PASSED.plan!,
      folders: [
        { from: 'Family', kind: 'calendars', to: 'Family', exists: false },
        { from: names[1]!, kind: 'contacts', to: names[1]!, exists: false },
      ],
      leftOut: [],
    },
  };
  const run = await web.room.tests.request(who, { job: job.id });
  await web.room.jobs.patch(who, job.id, { form: { ...form, run } });
  return job.id;
}

async function* content(): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`BEGIN:VCARD\r\n${'NOTE:x\r\n'.repeat(20_000)}END:VCARD\r\n`);
}

const EWS = 'https://exchange.company-with-a-long-name.example/EWS/Exchange.asmx';

/** The connection before and after the server was found, and what the test may say. */
async function exchangePages(web: WebApp, mailbox: string): Promise<Shown[]> {
  const who = 'alice';
  const form = { provider: 'exchange', kinds: ['mail', 'contacts', 'calendars'], done: ['type', 'existing', 'items'] };
  const list: Shown[] = [];
  const server = { host: 'autodiscover.company.example', port: '443', security: 'tls', username: 'COMPANY\\alice' };
  for (const [name, more] of Object.entries({
    'step-4-exchange': {},
    'step-4-exchange-found': { address: 'alice@company.example', connection: { ...server, foundBy: 'autodiscover' } },
    'step-4-exchange-other': { ewsUrl: EWS, archive: true, connection: { ...server, foundBy: 'redirect' } },
  })) {
    const { job } = await web.room.jobs.create(actorFor(mailbox), { mailbox, form: { ...form, ...more } });
    list.push({ name, who, path: `/new/${job.id}/connection` });
  }
  const folders = [
    { path: 'INBOX', kind: 'mail' as const, role: 'inbox' as const, items: 4210, bytes: 900_000_000 },
    { path: 'Calendar', kind: 'calendars' as const, items: 812, bytes: null },
  ];
  for (const [name, test] of Object.entries({
    'step-5-exchange': { ...PASSED, folders, ews: { url: EWS } },
    'step-5-exchange-other': failedTest('EWS_REDIRECTED', { redirect: { url: EWS } }),
    'step-5-exchange-windows': failedTest('EWS_NEEDS_BASIC'),
  }))
    list.push({ name, who, path: `/new/${await putDraft(web, mailbox, test)}/test` });
  return list;
}

const STARTED = { startedAt: '2026-03-02T08:15:00.000Z', createdAt: '2026-03-02T08:10:00.000Z' };
const ENDED = { ...STARTED, finishedAt: '2026-03-02T10:02:00.000Z' };
const DONE = {
  ...PROGRESS,
  copied: 7064,
  alreadyThere: 12,
  skipped: 21,
  failed: 3,
  etaSeconds: null,
  rate: null,
  bytes: PROGRESS.totalBytes,
};

/** Every page in every look, with what has to be there to see it. */
export async function everyPage(web: WebApp): Promise<Shown[]> {
  const alice = 'alice@new.test';
  const list: Shown[] = [
    { name: 'home-empty', who: 'bob', path: '/' },
    { name: 'new', who: 'alice', path: '/new' },
  ];
  const fresh = await web.room.jobs.create(actorFor(alice), { mailbox: alice });
  list.push({ name: 'step-1-type', who: 'alice', path: `/new/${fresh.job.id}/type` });
  for (const about of ['pop', 'outlook', 'microsoft365'])
    list.push({ name: `step-1-${about}`, who: 'alice', path: `/new/${fresh.job.id}/type?about=${about}` });
  const gmail = await web.room.jobs.create(actorFor(alice), {
    mailbox: alice,
    form: { provider: 'gmail', done: ['type', 'existing', 'items'] },
  });
  list.push({ name: 'step-4-gmail', who: 'alice', path: `/new/${gmail.job.id}/connection` });
  for (const [name, provider] of [
    ['step-4-nextcloud', 'nextcloud'],
    ['step-4-files-none', 'files'],
  ] as const) {
    const { job } = await web.room.jobs.create(actorFor(alice), {
      mailbox: alice,
      ...(provider === 'files' && { source: NO_FILES }),
      form: { provider, kinds: ['contacts', 'calendars'], done: ['type', 'existing', 'items'] },
    });
    list.push({ name, who: 'alice', path: `/new/${job.id}/connection` });
  }
  const uploaded = await putFiles(web, alice);
  for (const step of ['items', 'connection', 'test', 'review'])
    list.push({ name: `files-${step}`, who: 'alice', path: `/new/${uploaded}/${step}` });
  const passed = await putDraft(web, alice, PASSED);
  for (const [i, step] of STEPS.entries())
    if (i > 0) list.push({ name: `step-${i + 1}-${step}`, who: 'alice', path: `/new/${passed}/${step}` });
  const replace = await putDraft(web, alice, PASSED, {
    existing: 'replace',
    filters: { excludeFolders: [['Clients']], since: '2019-01-01T00:00:00.000Z', maxItemBytes: 25 * 1024 * 1024 },
  });
  list.push({ name: 'step-6-replace', who: 'alice', path: `/new/${replace}/review` });
  list.push({ name: 'step-5-running', who: 'alice', path: `/new/${await putDraft(web, alice, 'never')}/test` });
  list.push({
    name: 'step-5-failed',
    who: 'alice',
    path: `/new/${await putDraft(web, alice, failedTest('AUTH_FAILED'))}/test`,
  });
  list.push(...(await exchangePages(web, alice)));
  list.push({ name: 'step-5-untrusted', who: 'alice', path: `/new/${await putDraft(web, alice, UNTRUSTED)}/test` });

  const runs = [
    {
      id: '1',
      kind: 'first' as const,
      startedAt: STARTED.startedAt,
      finishedAt: '2026-03-02T08:40:00.000Z',
      state: 'interrupted' as const,
    },
    {
      id: '2',
      kind: 'resume' as const,
      startedAt: '2026-03-02T08:41:00.000Z',
      finishedAt: null,
      state: 'running' as const,
    },
  ];
  const states: [string, Partial<JobView>][] = [
    ['queued', { state: 'queued', ...STARTED }],
    ['running', { state: 'running', progress: PROGRESS, folders: FOLDERS, runs, ...STARTED }],
    [
      'waiting',
      {
        state: 'waiting',
        progress: PROGRESS,
        folders: FOLDERS,
        reason: reasonFor('PROVIDER_LIMIT'),
        until: '2026-03-03T09:40:00.000Z',
        ...STARTED,
      },
    ],
    [
      'needs-action',
      { state: 'needs-action', progress: PROGRESS, folders: FOLDERS, reason: reasonFor('AUTH_FAILED'), ...STARTED },
    ],
    [
      'failed',
      { state: 'failed', progress: PROGRESS, folders: FOLDERS, reason: reasonFor('DESTINATION_UNAVAILABLE'), ...ENDED },
    ],
    ['incomplete', { state: 'completed', outcome: 'incomplete', progress: DONE, folders: FOLDERS, ...ENDED }],
    [
      'completed',
      {
        state: 'completed',
        outcome: 'complete',
        progress: { ...DONE, copied: 7088, skipped: 0, failed: 0 },
        folders: FOLDERS.slice(0, 2),
        ...ENDED,
      },
    ],
  ];
  for (const [name, change] of states) {
    const job = await putJob(web, alice, change);
    const who = 'alice';
    list.push({ name: `job-${name}`, who, path: `/jobs/${job.id}` });
    if (name === 'running') {
      list.push({ name: 'job-cancel', who, path: `/jobs/${job.id}/cancel` });
      const record = web.room.records.get(job.id)!;
      record.log.push(
        { at: STARTED.startedAt, level: 'info', message: 'Run 1 started, 5 folders listed' },
        {
          at: '2026-03-02T08:40:00.000Z',
          level: 'warn',
          message: 'Connection cut by the server in INBOX; <b>going on</b>',
        },
      );
      list.push({ name: 'job-support', who: 'sam', path: `/jobs/${job.id}` });
    }
    if (name === 'incomplete') {
      const record = web.room.records.get(job.id)!;
      record.items.push(
        {
          kind: 'mail',
          folder: 'INBOX',
          subject: 'Fotos vom Sommerfest (alle!)',
          from: 'Vereinsbüro <verein@old.example>',
          date: '2018-07-11T10:00:00.000Z',
          size: 61_000_000,
          outcome: 'skipped',
          code: 'MESSAGE_TOO_LARGE',
          message: 'Larger than the new mailbox takes (50 MB).',
        },
        {
          kind: 'mail',
          folder: 'Clients/Müller & Söhne/2019 – Angebote und Rechnungen',
          subject: '',
          from: '',
          date: null,
          size: 1200,
          outcome: 'failed',
          code: 'PROTOCOL_ERROR',
          message: 'The old server sent this message cut short, three times.',
        },
        ...Array.from({ length: 70 }, (_, i) => ({
          kind: 'mail' as const,
          folder: 'Новости',
          subject: `<b>Ausgabe ${i + 1}</b>`,
          from: 'news@old.example',
          date: '2019-01-01T10:00:00.000Z',
          size: 45_000,
          outcome: 'skipped' as const,
          code: 'FILTERED',
          message: 'Left out, as you chose.',
        })),
      );
      list.push({ name: 'report', who, path: `/jobs/${job.id}/report` });
    }
    if (name === 'completed') list.push({ name: 'report-complete', who, path: `/jobs/${job.id}/report` });
  }
  list.push(...(await supportPages(web, list)));
  list.push(
    ...(await batchPages(web)),
    { name: 'home', who: 'alice', path: '/' },
    { name: 'admin', who: 'sam', path: '/admin' },
    { name: 'admin-nothing', who: 'sam', path: '/admin?q=nothing-like-this' },
    { name: 'domain', who: 'dora', path: '/domains/new.test' },
    { name: 'domain-home', who: 'dora', path: '/' },
    { name: 'not-found', who: 'alice', path: '/jobs/00000000-0000-4000-8000-000000000000' },
  );
  return list;
}

const WORKER = '11111111-0000-4000-8000-00000000000';

/** The pages of the admin area, and a link as its holder sees it. */
async function supportPages(web: WebApp, shown: readonly Shown[]): Promise<Shown[]> {
  const job = shown.find(({ name }) => name === 'job-incomplete')!.path.slice('/jobs/'.length);
  const stuck = shown.find(({ name }) => name === 'job-needs-action')!.path.slice('/jobs/'.length);
  const at = '2026-03-02T08:40:00.000Z';
  const by = 'Sam';
  web.support.cases.set(job, {
    groups: [
      {
        outcome: 'failed',
        code: 'MESSAGE_TOO_LARGE',
        message: 'It is larger than the new mail server accepts.',
        items: 2,
        bytes: 121_000_000,
        folders: ['INBOX', 'Clients/Müller & Söhne/2019 – Angebote und Rechnungen'],
        serverText: '[TOOBIG] Message size exceeds fixed limit <b>of 50 MB</b>',
      },
      {
        outcome: 'failed',
        code: 'LOST_AT_DESTINATION',
        message: 'The new server took it and lost it.',
        items: 1,
        bytes: 20_000,
        folders: ['Новости'],
        serverText: '',
      },
      {
        outcome: 'skipped',
        code: 'FILTERED_DATE',
        message: 'It is older than the date you chose.',
        items: 1234,
        bytes: 61_000_000,
        folders: ['INBOX', 'Sent Items'],
        serverText: '',
      },
    ],
    events: [
      { at, kind: 'action', what: 'job.retry', by: 'sam' },
      {
        at,
        kind: 'run-ended',
        what: 'first',
        state: 'failed',
        code: 'TIMEOUT',
        message: 'The server did not answer in time.',
      },
      { at, kind: 'run-began', what: 'first', by: 'worker-3.internal 4711' },
      { at, kind: 'action', what: 'job.start', by: 'alice' },
    ],
    notes: [
      {
        at,
        author: by,
        text: 'Called the owner: the large ones may stay behind.\n\nWill look again tomorrow.',
        handled: true,
      },
    ],
    handledAt: at,
    logs: [
      {
        at,
        runKind: 'first',
        source:
          '08:15:00.123 #1 - dial imap.old.example port 993 tls\n08:15:00.456 #1 > F3 UID FETCH 1:500 (UID FLAGS INTERNALDATE RFC822.SIZE)\n08:15:01.002 #1 < * NO [ALERT ] <b>disk nearly full</b>\n08:15:01.100 #1 < F3 OK done (500 FETCH)',
        destination: '',
      },
    ],
    logWanted: true,
    link: { madeAt: at, madeBy: by, expiresAt: '2026-03-09T08:40:00.000Z', state: 'used' },
    hasPassword: false,
  });
  web.fleet.fleet = {
    workers: [
      {
        id: `${WORKER}1`,
        host: 'worker-1.internal.sunny-hosting.example',
        pid: 4711,
        startedAt: at,
        beatAt: at,
        rssBytes: 182_000_000,
        state: 'well',
        drain: false,
        runs: [
          { job, mailbox: 'alice@new.test', since: at, rate: 963_000 },
          {
            job: stuck,
            mailbox: 'a-very-long-local-part-of-an-address@a-rather-long-domain.example',
            since: at,
            rate: null,
          },
        ],
        otherRuns: 2,
      },
      {
        id: `${WORKER}2`,
        host: 'worker-2',
        pid: 12,
        startedAt: at,
        beatAt: at,
        rssBytes: 99_000_000,
        state: 'draining',
        drain: true,
        runs: [],
        otherRuns: 0,
      },
      {
        id: `${WORKER}3`,
        host: 'worker-3',
        pid: 13,
        startedAt: at,
        beatAt: at,
        rssBytes: 99_000_000,
        state: 'silent',
        drain: false,
        runs: [],
        otherRuns: 0,
      },
    ],
    jobs: { queued: 1204, running: 4, waiting: 12, stalled: 1 },
    oldestQueuedAt: at,
    nextWakeAt: at,
    rings: { runs: 1204, tests: 2 },
  };
  const row = { at, who: 'sam', actor: null, job, mailbox: 'alice@new.test', ip: '192.0.2.7', detail: {} };
  web.audit.rows = [
    { ...row, id: '9', action: 'job.cancel', detail: { from: 'running', to: 'cancelling' } },
    {
      ...row,
      id: '8',
      action: 'items.left-out',
      actor: 'Sam Support',
      detail: { code: 'MESSAGE_TOO_LARGE', reason: '<b>the owner agrees</b>', items: '2' },
    },
    { ...row, id: '7', action: 'worker.drain', job: null, mailbox: null, detail: { worker: `${WORKER}2` } },
    { ...row, id: '6', action: 'credentials.set', who: `link:${job}`, ip: '2001:db8:1234:5678:9abc:def0:1234:5678' },
  ];
  for (const over of ['used', 'expired', 'needless'] as const) web.links.over.set(`t-${over}`, over);
  return [
    { name: 'case', who: 'sam', path: `/jobs/${job}` },
    { name: 'case-stuck', who: 'sam', path: `/jobs/${stuck}` },
    { name: 'workers', who: 'sam', path: '/admin/workers' },
    { name: 'audit', who: 'sam', path: '/admin/audit?who=sam' },
    { name: 'link', who: 'nobody', path: `/links/t-${stuck}` },
    { name: 'link-used', who: 'nobody', path: '/links/t-used' },
    { name: 'link-expired', who: 'nobody', path: '/links/t-expired' },
    { name: 'link-needless', who: 'nobody', path: '/links/t-needless' },
  ];
}
