import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { JobError, type Actor } from '../../../jobs/contract.js';
import type { JobAction, JobRunner } from '../../../jobs/job.js';
import { isUuid } from '../../../jobs/job-view.js';
import { JobsService } from '../../../jobs/jobs.service.js';
import { composeOffline, pluginOptions } from '../../runtime.js';
import { loadSettings } from '../../settings.js';
import { EXIT, type ExitCode, UsageError } from '../usage.js';
import { withDatabase } from '../with-database.js';
import { filterOf, type FilterOptions, type ListOptions, queryOf } from './filter.js';
import { JobsModule } from './jobs.module.js';
import { PatientBell } from './patient-bell.js';
import { sheet, table } from './table.js';

export interface ActOptions extends FilterOptions {
  readonly tenant: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

type Say = (line: string) => void;
interface Room {
  readonly db: DataSource;
  readonly jobs: JobsService;
}

/** By the service of the pages, on the database: no web process and no Redis are needed. */
async function inRoom<T>(work: (room: Room) => Promise<T>): Promise<T> {
  const settings = loadSettings();
  return withDatabase(settings, async (databaseUrl) => {
    const composition = composeOffline(settings, databaseUrl);
    // Nothing is sealed or opened here, so the keys of the settings are not needed: one for this process' life.
    const keys = `shell:${randomBytes(32).toString('base64')}`;
    const { options, store } = pluginOptions({ ...composition, redis: composition.redis ?? { path: '/none' } }, keys);
    const bell = new PatientBell(composition.redis);
    try {
      const app = await NestFactory.createApplicationContext(JobsModule.for(options, bell), {
        logger: new ConsoleLogger({ logLevels: ['fatal', 'error'] }),
        abortOnError: false,
      });
      try {
        return await work({ db: app.get<DataSource>(getDataSourceToken('mailferry')), jobs: app.get(JobsService) });
      } finally {
        await bell.close();
        await app.close();
      }
    } finally {
      await store.close();
    }
  });
}

export function listJobs(options: ListOptions, say: Say): Promise<ExitCode> {
  const query = queryOf(options);
  return inRoom(async ({ jobs }) => {
    const page = await jobs.list(operator(options.tenant).visibility, query);
    if (options.json) for (const job of page.jobs) say(JSON.stringify(job));
    else {
      say(table(page.jobs));
      say(`${page.jobs.length} of ${page.estimated ? 'about ' : ''}${page.total}`);
    }
    return EXIT.complete;
  });
}

export function showJob(id: string, options: { json?: boolean; log?: boolean }, say: Say): Promise<ExitCode> {
  return inRoom(async ({ db, jobs }) => {
    const found = await find(db, id);
    if (found === null) throw new Error(`there is no migration ${id}`);
    const { visibility } = operator(found.tenant);
    const job = (await jobs.get(visibility, id))!;
    const log = options.log ? ((await jobs.log(visibility, id)) ?? []) : [];
    if (options.json) say(JSON.stringify(options.log ? { ...job, log } : job));
    else {
      say(sheet(job));
      for (const { at, level, message, detail } of log)
        say(`  ${at} ${level} ${message}${detail === undefined ? '' : ` ${JSON.stringify(detail)}`}`);
    }
    return EXIT.complete;
  });
}

/** By ids, or all that a filter finds: then only with `yes`. One line for each; exit 1 when one was refused. */
export async function actOnJobs(
  action: JobAction,
  ids: readonly string[],
  options: ActOptions,
  say: Say,
): Promise<ExitCode> {
  const filter = filterOf(options);
  const filtered = Object.keys(filter).length > 0;
  if (filtered === ids.length > 0)
    throw new UsageError('name either migrations by their ids, or a filter like --state failed');
  return inRoom(async ({ db, jobs }) => {
    if (filtered && !options.yes) {
      const { total } = await jobs.list(operator(options.tenant).visibility, { ...filter, page: 1, perPage: 1 });
      say(`${total} migrations fit; nothing was done. With --yes: ${action} those of them whose state allows it.`);
      return EXIT.complete;
    }
    const results = filtered
      ? await inBulk(jobs, action, filter, options.tenant)
      : await oneByOne(db, jobs, action, [...new Set(ids)]);
    for (const { id, code, message } of results)
      say(
        options.json
          ? JSON.stringify({ id, action, code, message })
          : `${id}  ${code === 'OK' ? message : `${code}: ${message}`}`,
      );
    return results.every(({ code }) => code === 'OK') ? EXIT.complete : EXIT.failed;
  });
}

interface Result {
  readonly id: string;
  /** 'OK', else why not. */
  readonly code: string;
  readonly message: string;
}

async function oneByOne(
  db: DataSource,
  jobs: JobsService,
  action: JobAction,
  ids: readonly string[],
): Promise<Result[]> {
  const results: Result[] = [];
  for (const id of ids) {
    const found = await find(db, id);
    try {
      if (found === null) throw new JobError('NOT_FOUND', 'There is no such migration.');
      if (found.runner === 'shell' && action !== 'cancel' && action !== 'pause')
        throw new JobError('INVALID_STATE', 'It was started by `mailferry copy`: run that command again.');
      const { state } = await jobs.act(operator(found.tenant), id, action);
      results.push({ id, code: 'OK', message: state });
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      results.push({ id, code: error.code, message: error.message });
    }
  }
  return results;
}

async function inBulk(
  jobs: JobsService,
  action: JobAction,
  filter: ReturnType<typeof filterOf>,
  tenant: string,
): Promise<Result[]> {
  const { done, refused } = await jobs.bulk(operator(tenant), action, { filter });
  return [...done.map((id) => ({ id, code: 'OK', message: action })), ...refused];
}

async function find(db: DataSource, id: string): Promise<{ tenant: string; runner: JobRunner } | null> {
  if (!isUuid(id)) return null;
  const [row] = await db.query<{ tenant: string; runner: JobRunner }[]>(
    `SELECT tenant, runner FROM mailferry.jobs WHERE id = $1`,
    [id],
  );
  return row ?? null;
}

/** Whoever has a shell here; named in the audit trail by his login. */
function operator(tenant: string): Actor {
  const sub = `shell:${userInfo().username}`;
  const visibility = { tenant, all: true, mailboxes: [], domains: [] };
  const principal = { sub, tenantId: tenant, role: 'support', domains: [], mailboxes: [], locale: 'en' } as const;
  return { sub, tenant, visibility, principal };
}
