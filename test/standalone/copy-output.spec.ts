import { humanOutput } from '../../src/standalone/commands/copy/output.js';

function told(detail: object): string {
  const written: string[] = [];
  const screen = { isTTY: false, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const message = 'The certificate of the server was issued by somebody we do not know.';
  humanOutput(() => undefined, screen).tell({ event: 'log', at: '', level: 'error', message, detail });
  return written.join('');
}

it('says which server an error is about, and which option may help', () => {
  expect(told({ side: 'destination', code: 'TLS_UNTRUSTED' })).toMatch(
    /^error at the new server: .*--to-fingerprint\.\n$/,
  );
  expect(told({ side: 'source', code: 'TLS_UNTRUSTED' })).toMatch(/^error at the old server: .*--from-ca,/);
  expect(told({ side: 'source', code: 'AUTH_FAILED' })).not.toContain('--from');
});
