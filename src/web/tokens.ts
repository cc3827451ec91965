/**
 * What the web half needs from elsewhere, by token: the plugin module binds them (JobsService, BatchesService, ConnectionTestsService,
 * ProgressReader, ReportsService, the data source `mailferry`), tests bind fakes.
 */
export const JOBS_API = Symbol('mailferry.web.jobs');
export const BATCHES_API = Symbol('mailferry.web.batches');
export const CONNECTION_TESTS_API = Symbol('mailferry.web.connection-tests');
export const PROGRESS_API = Symbol('mailferry.web.progress');
export const REPORTS_API = Symbol('mailferry.web.reports');
export const SUPPORT_API = Symbol('mailferry.web.support');
export const FLEET_API = Symbol('mailferry.web.fleet');
export const AUDIT_API = Symbol('mailferry.web.audit');
export const PASSWORD_LINKS_API = Symbol('mailferry.web.password-links');
export const UPLOADS_API = Symbol('mailferry.web.uploads');
export const WEB_DATABASE = Symbol('mailferry.web.database');
export const WEB_QUEUE = Symbol('mailferry.web.queue');

/** The part of a TypeORM DataSource that is used here. */
export interface WebDatabase {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}
/** The part of the Doorbell (src/queue) that is used here. */
export interface WebQueue {
  isUp(): Promise<boolean>;
  waiting(): Promise<{ runs: number; tests: number } | null>;
}
