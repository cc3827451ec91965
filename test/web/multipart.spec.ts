import { Readable } from 'node:stream';
import type { Request } from '../../src/web/http.js';
import { readMultipart } from '../../src/web/multipart.js';

const FILE = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nabc';
const field = (name: string, value: string): string =>
  `\r\n--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}`;
function sent(...pieces: string[]): Request {
  const body = Readable.from(pieces.map((piece) => Buffer.from(piece)));
  return Object.assign(body, { headers: { 'content-type': 'multipart/form-data; boundary=x' } }) as unknown as Request;
}

it('reads a file and its fields', async () => {
  const fields = await readMultipart(sent(FILE, field('a', '1'), field('a', '2'), '\r\n--x--\r\n'), 1_000);
  expect(fields).toEqual({ file: Buffer.from('abc'), a: ['1', '2'] });
});

it.each([
  ['that ends in the middle of its file', [FILE]],
  ['that ends in the middle of a head', ['--x\r\nContent-Disposition: form-data; name="file"; filename="a']],
  ['that is nothing', ['hello']],
  ['with a field that is called like its file', [FILE, field('file', 'b'), '\r\n--x--\r\n']],
])('refuses a form %s, and lives', async (_what, pieces) => {
  await expect(readMultipart(sent(...pieces), 1_000)).rejects.toMatchObject({ code: 'MALFORMED' });
  // What a stream says a moment later is heard as well.
  await new Promise((done) => setTimeout(done, 30));
});

it('refuses what is too large', async () => {
  const form = sent(FILE, 'x'.repeat(2_000), '\r\n--x--\r\n');
  await expect(readMultipart(form, 1_000)).rejects.toMatchObject({ code: 'TOO_LARGE' });
});
