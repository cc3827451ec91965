import { z } from 'zod';
import * as b from './batch-schemas.js';
import * as r from './reply-schemas.js';
import * as s from './schemas.js';

/** One line of the API: what OpenAPI says of it. A test holds it against the controllers' own routes. */
export interface ApiRoute {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Below /api/v1, with `:id`. */
  readonly path: string;
  readonly summary: string;
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  /** The body is a form with one or more files. */
  readonly takesFiles?: true;
  /** Null: no body. A string: that media type. */
  readonly answers: Readonly<Record<number, { readonly says: string; readonly body: z.ZodType | string | null }>>;
  /** Statuses of errors, beside 401, 403 and 500. */
  readonly errors: readonly number[];
}

const id = { id: z.uuid() };

export const API_ROUTES: readonly ApiRoute[] = [
  {
    method: 'post',
    path: '/connection-tests',
    summary: 'Sign in at the old account and look at its folders; waits up to 20 s',
    body: s.NewTestBody,
    answers: {
      200: { says: 'The test ran; `ok` says how', body: r.Test },
      202: { says: 'It takes longer: ask for it by its id', body: r.Pending },
    },
    errors: [404, 409, 422, 429],
  },
  {
    method: 'post',
    path: '/connection-tests/discover',
    summary: 'Look for the server of an address, to be confirmed by a person; nothing is signed in to',
    body: s.DiscoverBody,
    answers: { 200: { says: 'What was found, if anything', body: r.Discovered } },
    errors: [422, 429],
  },
  {
    method: 'get',
    path: '/connection-tests/:id',
    summary: 'Result of a connection test',
    params: id,
    answers: { 200: { says: 'The test ran', body: r.Test }, 202: { says: 'Not yet', body: r.Pending } },
    errors: [404],
  },
  {
    method: 'post',
    path: '/jobs',
    summary: 'Make a migration, and start it if wished',
    headers: { 'Idempotency-Key': 'The same key by the same person gives the same job again' },
    body: s.NewJobBody,
    answers: { 201: { says: 'Made', body: r.Job } },
    errors: [404, 409, 422, 429],
  },
  {
    method: 'get',
    path: '/jobs',
    summary: 'Migrations, newest first; folders and runs are left empty',
    query: s.JobsQuery,
    answers: { 200: { says: 'A page of them', body: r.JobsPage } },
    errors: [422],
  },
  {
    method: 'post',
    path: '/jobs/bulk',
    summary: 'One action for many migrations',
    body: s.BulkBody,
    answers: { 200: { says: 'What was done and what was refused', body: r.BulkResult } },
    errors: [422],
  },
  {
    method: 'get',
    path: '/jobs/:id',
    summary: 'One migration',
    params: id,
    answers: { 200: { says: 'The migration', body: r.Job } },
    errors: [404],
  },
  {
    method: 'patch',
    path: '/jobs/:id',
    summary: 'Change a draft',
    params: id,
    body: s.PatchJobBody,
    answers: { 200: { says: 'Changed', body: r.Job } },
    errors: [404, 409, 422],
  },
  {
    method: 'delete',
    path: '/jobs/:id',
    summary: 'Erase a finished migration with its report and secrets',
    params: id,
    answers: { 204: { says: 'Erased', body: null } },
    errors: [404, 409],
  },
  {
    method: 'put',
    path: '/jobs/:id/credentials',
    summary: 'Give passwords again',
    params: id,
    body: s.CredentialsBody,
    answers: { 200: { says: 'Sealed', body: r.Job } },
    errors: [404, 409, 422],
  },
  {
    method: 'post',
    path: '/jobs/:id/files',
    summary:
      'Upload .ics and .vcf files for a draft whose source is of type `files`: at most 10, each of at most 64 MB',
    params: id,
    takesFiles: true,
    answers: { 201: { says: 'Kept; `refused` says which were not, and why', body: r.UploadResult } },
    errors: [404, 409, 422, 429],
  },
  {
    method: 'delete',
    path: '/jobs/:id/files/:file',
    summary: 'Take an uploaded file back',
    params: { ...id, file: z.uuid() },
    answers: { 204: { says: 'Erased', body: null } },
    errors: [404, 409, 422],
  },
  {
    method: 'post',
    path: '/jobs/:id/:action',
    summary: 'Start, pause, resume, cancel, retry the failed items, or sync what came since',
    params: { ...id, action: s.Action },
    answers: { 202: { says: 'Recorded; the worker does it', body: r.Job } },
    errors: [404, 409, 422],
  },
  {
    method: 'get',
    path: '/jobs/:id/events',
    summary: 'Server-sent events: snapshot, progress, state, end; data is the migration, id its version',
    params: id,
    headers: { 'Last-Event-ID': 'Version that was seen last; the stream begins with a snapshot in any case' },
    answers: { 200: { says: 'A stream', body: 'text/event-stream' } },
    errors: [404, 429],
  },
  {
    method: 'get',
    path: '/jobs/:id/items',
    summary: 'Items that did not arrive',
    params: id,
    query: s.ItemsQuery,
    answers: { 200: { says: 'A page of them', body: r.ItemsPage } },
    errors: [404, 422],
  },
  {
    method: 'get',
    path: '/jobs/:id/report',
    summary: 'What arrived and what did not',
    params: id,
    answers: { 200: { says: 'The report', body: r.Report } },
    errors: [404],
  },
  {
    method: 'get',
    path: '/jobs/:id/report.csv',
    summary: 'Every item that did not arrive: kind,folder,subject,date,size,outcome,code,message',
    params: id,
    answers: { 200: { says: 'CSV, UTF-8', body: 'text/csv' } },
    errors: [404],
  },
  {
    method: 'get',
    path: '/jobs/:id/recovery',
    summary: 'What a replace took out of calendars and address books, as files; only for whose mailbox it is',
    params: id,
    answers: { 200: { says: 'The files', body: r.RecoveryFiles } },
    errors: [404],
  },
  {
    method: 'get',
    path: '/jobs/:id/recovery/:file',
    summary: 'One of these files: iCalendar or vCard',
    params: { ...id, file: z.uuid() },
    answers: { 200: { says: 'The file, UTF-8', body: 'text/calendar' } },
    errors: [404],
  },
  {
    method: 'post',
    path: '/batches',
    summary: 'Set up the migrations of a domain: every row is checked, nothing is dialled; start them if wished',
    body: b.NewBatchBody,
    answers: { 201: { says: 'Made; `refused` names the rows that were not taken', body: b.NewBatchResult } },
    errors: [409, 413, 422, 503],
  },
  {
    method: 'get',
    path: '/batches/:id',
    summary: 'One batch: how many are how far, and which rows were not taken',
    params: id,
    answers: { 200: { says: 'The batch', body: b.Batch } },
    errors: [404],
  },
  {
    method: 'patch',
    path: '/batches/:id',
    summary: 'Change when and how much it copies, or the way to its old server',
    params: id,
    body: b.BatchChangeBody,
    answers: { 200: { says: 'The batch', body: b.Batch } },
    errors: [404, 409, 422],
  },
  {
    method: 'put',
    path: '/batches/:id/credentials',
    summary: 'The administrator’s password, anew',
    params: id,
    body: b.BatchCredentialsBody,
    answers: { 200: { says: 'The batch', body: b.Batch } },
    errors: [404, 409, 422],
  },
  {
    method: 'post',
    path: '/batches/:id/invitations',
    summary: 'Ask the users for their passwords: new links, and those before end',
    params: id,
    body: b.InvitationsBody,
    answers: { 201: { says: 'The links', body: b.InvitationsResult } },
    errors: [404, 409, 422],
  },
  {
    method: 'post',
    path: '/batches/:id/:action',
    summary:
      'Test, start, pause, resume, cancel, retry what failed, sync what came since, or finish: for all or for chosen migrations',
    params: { ...id, action: b.BatchActionName },
    body: b.BatchActionBody,
    answers: { 202: { says: 'Recorded; the worker does it', body: b.Batch } },
    errors: [404, 409, 422],
  },
  {
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    answers: { 200: { says: 'OpenAPI 3.1', body: 'application/json' } },
    errors: [],
  },
];
