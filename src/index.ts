/**
 * What a control panel imports: the plugin (web half), the worker module (queue half), and the contract it implements.
 *
 * ```ts
 * // the web process
 * imports: [MigrationPlugin.forRoot({ panel, databaseUrl, redis: { url }, keys })]
 * // the worker process, started with TZ=UTC
 * NestFactory.createApplicationContext(MigrationWorkerModule.forRoot({ panel, databaseUrl, redis: { url }, keys }))
 * ```
 */
export { MigrationPlugin } from './migration.plugin.js';
export { MigrationWorkerModule } from './migration-worker.module.js';
export type { PluginOptions } from './plugin-options.js';
export { loadManifest, type PluginManifest } from './plugin-manifest.js';
export * from './panel/host-panel.js';
export type { EgressPolicy, Limits, RedisAddress, TokenIssuer, WorkerOptions } from './panel/options.js';
export { ITEM_KINDS, type ItemKind } from './mailbox/kinds.js';
