import type { HostPanel } from '../src/panel/host-panel.js';
import { resolveOptions } from '../src/plugin-options.js';

const LEAST = { panel: {} as HostPanel, databaseUrl: 'postgres://x', redis: { url: 'redis://x' }, keys: 'x' };

it.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', 'internal', '1.2.3/8x', ''])(
  'the range %j stops the start, with a line that names the setting',
  (range) => {
    const wrong = (): unknown => resolveOptions({ ...LEAST, egress: { allowedRanges: ['10.0.0.0/8', range] } });
    expect(wrong).toThrow(/egress\.allowedRanges/);
  },
);

it('proper ranges of both families are kept', () => {
  const allowedRanges = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7/32'];
  expect(resolveOptions({ ...LEAST, egress: { allowedRanges } }).egress.allowedRanges).toEqual(allowedRanges);
});
