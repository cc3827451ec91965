import type { Provider, Type } from '@nestjs/common';
import { AdminController } from './admin/admin.controller.js';
import { DomainController } from './domain/domain.controller.js';
import { StatusController } from './status/status.controller.js';
import { NewMigration } from './wizard/new-migration.js';
import { WizardController } from './wizard/wizard.controller.js';

/** The controllers of the pages, in the order their routes are tried. */
export const PAGE_CONTROLLERS: Type[] = [WizardController, AdminController, DomainController, StatusController];
/** What they need beside the services of every route. */
export const PAGE_PROVIDERS: Provider[] = [NewMigration];
