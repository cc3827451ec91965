import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BATCH_ACTIONS } from '../../src/batches/batch.js';
import { TRANSITIONS } from '../../src/jobs/job-state.js';
import { actionKey } from '../../src/web/admin/case-view.js';
import { Words } from '../../src/web/render/words.js';

/** What a run does by itself is no line of the audit trail. */
const UNRECORDED = ['claim', 'requeue', 'wait', 'wake'];
const words = Words.load('views/locales');
const written = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => [...readFileSync(join('src', file), 'utf8').matchAll(/\baction: '([a-z]+\.[a-z.-]+)'/g)])
  .map(([, action]) => action!);
const events = new Set(Object.values(TRANSITIONS).flatMap((next) => Object.keys(next)));
const actions = [
  ...written,
  ...BATCH_ACTIONS.map((action) => `batch.${action}`),
  ...[...events].filter((event) => !UNRECORDED.includes(event)).map((event) => `job.${event}`),
];

test.each([...new Set(actions)])('%s has words of its own in the audit trail', (action) => {
  expect(words.has(actionKey(action))).toBe(true);
});
