import type { Provider } from '@nestjs/common';
import { AuditReader } from './audit-reader.js';
import { FleetService } from './fleet.js';
import { SupportService } from './support.service.js';

/** For the web half, beside JOBS_PROVIDERS. */
export const SUPPORT_PROVIDERS: Provider[] = [SupportService, FleetService, AuditReader];
