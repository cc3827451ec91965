import { existsSync, readFileSync } from 'node:fs';
import { JOB_STATES } from '../../src/jobs/job.js';
import { allowedActions, isFinal, next, TRANSITIONS } from '../../src/jobs/job-state.js';

/** One line an arrow: `  running --> waiting: wait`. */
function drawn(): string[] {
  const text = readFileSync('docs/states.md', 'utf8');
  const [, graph = ''] = /```mermaid\n([\s\S]*?)```/.exec(text) ?? [];
  return [...graph.matchAll(/^\s*([a-z_]+) --> ([a-z_]+): ([a-z-]+)$/gm)]
    .map(([, from, to, event]) => `${from!.replace('_', '-')} --${event!}--> ${to!.replace('_', '-')}`)
    .sort();
}

test('the drawing shows every transition of the table and no other', () => {
  expect(existsSync('docs/states.md')).toBe(true);
  const table = Object.entries(TRANSITIONS)
    .flatMap(([from, events]) => Object.entries(events).map(([event, to]) => `${from} --${event}--> ${to}`))
    .sort();
  expect(table.length).toBeGreaterThan(20);
  expect(drawn()).toEqual(table);
});

test('every state can be reached, and none but cancelled is a dead end', () => {
  const reached = new Set(['draft', ...Object.values(TRANSITIONS).flatMap((events) => Object.values(events))]);
  expect([...reached].sort()).toEqual([...JOB_STATES].sort());
  for (const state of JOB_STATES) expect(Object.keys(TRANSITIONS[state]).length === 0).toBe(state === 'cancelled');
});

test('what is going on can always be cancelled; what is over goes on only by a person', () => {
  for (const state of JOB_STATES) {
    if (!isFinal(state) && state !== 'cancelling') expect(allowedActions(state)).toContain('cancel');
    if (isFinal(state))
      for (const event of ['claim', 'wake', 'requeue', 'finish', 'fail', 'wait'] as const)
        expect(next(state, event)).toBeNull();
  }
});
