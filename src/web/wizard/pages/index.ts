import type { StepPage } from '../step-page.js';
import { connectionPage } from './connection.js';
import { existingPage } from './existing.js';
import { itemsPage } from './items.js';
import { reviewPage } from './review.js';
import { testPage } from './test.js';
import { typePage } from './type.js';

/** In the order they are walked through. */
export const STEP_PAGES: readonly StepPage[] = [
  typePage,
  existingPage,
  itemsPage,
  connectionPage,
  testPage,
  reviewPage,
];
