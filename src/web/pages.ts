import type { Provider, Type } from '@nestjs/common';
import { AdminController } from './admin/admin.controller.js';
import { BatchController } from './domain/batch.controller.js';
import { BatchActsController } from './domain/batch-acts.controller.js';
import { BatchMailboxesController } from './domain/batch-mailboxes.controller.js';
import { BatchPages } from './domain/batch-pages.js';
import { BatchServerController } from './domain/batch-server.controller.js';
import { BatchSetup } from './domain/batch-setup.js';
import { DomainController } from './domain/domain.controller.js';
import { AuditController } from './admin/audit.controller.js';
import { CaseController } from './admin/case.controller.js';
import { WorkersController } from './admin/workers.controller.js';
import { LinksController } from './links/links.controller.js';
import { ReportController } from './status/report.controller.js';
import { StatusController } from './status/status.controller.js';
import { NewMigration } from './wizard/new-migration.js';
import { WizardController } from './wizard/wizard.controller.js';

/** The controllers of the pages, in the order their routes are tried. */
export const PAGE_CONTROLLERS: Type[] = [
  WizardController,
  AdminController,
  DomainController,
  BatchServerController,
  BatchMailboxesController,
  BatchController,
  BatchActsController,
  AuditController,
  WorkersController,
  CaseController,
  LinksController,
  ReportController,
  StatusController,
];
/** What they need beside the services of every route. */
export const PAGE_PROVIDERS: Provider[] = [NewMigration, BatchPages, BatchSetup];
