import { notFound } from '../../web-error.js';
import type { StepPage } from '../step-page.js';
import { connectionPage } from './connection.js';
import { existingPage } from './existing.js';
import { itemsPage } from './items.js';
import { reviewPage } from './review.js';
import { testPage } from './test.js';
import { typePage } from './type.js';

/** In the order they are walked through. */
const STEP_PAGES: readonly StepPage[] = [typePage, existingPage, itemsPage, connectionPage, testPage, reviewPage];

/** @throws WebError NOT_FOUND */
export function pageOf(name: string): StepPage {
  const page = STEP_PAGES.find(({ id }) => id === name);
  if (page === undefined) throw notFound();
  return page;
}
