// Checks the imports of src/ against rooms.mjs and prints every arrow that should not be there.
// Fails, too, when it saw hardly any modules: a check that looks at nothing must not be green.
import { readdirSync } from 'node:fs';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { FRONT_DOOR, ROOMS } from './rooms.mjs';

const FEWEST_MODULES = 40;

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const place = (name) => (name.endsWith('.ts') ? `^src/${escape(name)}$` : `^src/${escape(name)}(/|\\.ts$)`);
const oneOf = (names) => names.map(place).join('|');

const forbidden = [
  { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
  { name: 'nothing-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^node:' } },
  { name: 'no-test-code-in-src', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|examples)/' } },
  ...Object.entries(ROOMS).flatMap(([room, { may = [], types = [] }]) => {
    const own = `^src/${room}/`;
    // A room within a room has rules of its own.
    const inner = Object.keys(ROOMS).filter((other) => other.startsWith(`${room}/`));
    const from = { path: own, ...(inner.length ? { pathNot: inner.map((other) => `^src/${other}/`) } : {}) };
    const migrations = room === 'database' ? '|^migrations/' : '';
    const allowed =
      [own, ...(may.length ? [oneOf(may)] : []), ...(types.length ? [oneOf(types)] : [])].join('|') + migrations;
    return [
      {
        name: `${room}-imports`,
        severity: 'error',
        from,
        to: { path: '^(src|migrations)/', pathNot: allowed },
      },
      ...types.map((other) => ({
        name: `${room}-only-types-of-${other}`,
        severity: 'error',
        from,
        to: { path: place(other), dependencyTypesNot: ['type-only'] },
      })),
    ];
  }),
  ...Object.entries(FRONT_DOOR).map(([file, may]) => ({
    name: `${file}-imports`,
    severity: 'error',
    from: { path: place(file) },
    to: { path: '^(src|migrations)/', pathNot: oneOf(may) },
  })),
];

const unknown = readdirSync('src', { withFileTypes: true }).filter((entry) =>
  entry.isDirectory() ? !(entry.name in ROOMS) : entry.name.endsWith('.ts') && !(entry.name in FRONT_DOOR),
);
for (const entry of unknown) console.error(`src/${entry.name} is no room in test/structure/rooms.mjs`);

const { output } = await cruise(
  ['src', 'migrations'],
  {
    ruleSet: { forbidden },
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    tsConfig: { fileName: 'tsconfig.json' },
  },
  undefined,
  { tsConfig: extractTSConfig('tsconfig.json') },
);
const { violations, totalCruised } = output.summary;
for (const violation of violations)
  console.error(
    `${violation.rule.name}: ${violation.from} -> ${violation.cycle ? violation.cycle.map((step) => step.name).join(' -> ') : violation.to}`,
  );

const ours = output.modules.filter((module) => module.source.startsWith('src/')).length;
if (ours < FEWEST_MODULES) console.error(`only ${ours} modules were seen: the check is blind`);
const failed = violations.length + unknown.length + (ours < FEWEST_MODULES ? 1 : 0);
console.log(`structure: ${ours} modules of ours, ${totalCruised} with what they import, ${failed} wrong`);
process.exit(failed ? 1 : 0);
