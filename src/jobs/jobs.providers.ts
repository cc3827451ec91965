import type { Provider } from '@nestjs/common';
import { Keyring } from '../credentials/keyring.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { Admission } from './admission.js';
import { Attempts } from './attempts.js';
import { AuditTrail } from './audit.js';
import { ConnectionTestsService } from './connection-tests.service.js';
import { JobChanges } from './job-changes.js';
import { JobCredentials } from './job-credentials.js';
import { JobGate } from './job-gate.js';
import { JobSettings } from './job-settings.js';
import { JobReader } from './job-view.js';
import { JobsService } from './jobs.service.js';
import { Outbox } from './outbox.js';
import { PasswordLinks } from './password-links.js';
import { SecretStore } from './secrets.js';
import { KEYRING } from './tokens.js';
import { Uploads } from './uploads.js';

/** What both halves of the plugin need; they bring PLUGIN_OPTIONS, HOST_PANEL, the data source and the Doorbell. */
export const JOBS_PROVIDERS: Provider[] = [
  { provide: KEYRING, inject: [PLUGIN_OPTIONS], useFactory: ({ keys }: ResolvedOptions) => Keyring.parse(keys) },
  AuditTrail,
  Attempts,
  SecretStore,
  Admission,
  JobReader,
  Outbox,
  JobChanges,
  JobCredentials,
  JobGate,
  JobSettings,
  JobsService,
  ConnectionTestsService,
  PasswordLinks,
  Uploads,
];
