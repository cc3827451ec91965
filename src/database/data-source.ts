import { Init1764000000000 } from '../../migrations/1764000000000-init.js';

/** Postgres schema of every table of ours. */
export const SCHEMA = 'mailferry';
/** Name of the TypeORM data source, so that it never meets a host panel's own. */
export const DATA_SOURCE = 'mailferry';

/** All SQL migrations, oldest first. Append only. */
export const MIGRATIONS = [Init1764000000000];
