import type { Provider, Type } from '@nestjs/common';
import { WizardController } from './wizard/wizard.controller.js';
import { NewMigration } from './wizard/new-migration.js';

/** The controllers of the pages, in the order their routes are tried. */
export const PAGE_CONTROLLERS: Type[] = [WizardController];
/** What they need beside the services of every route. */
export const PAGE_PROVIDERS: Provider[] = [NewMigration];
