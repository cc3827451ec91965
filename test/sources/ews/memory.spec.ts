import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { digestMessage } from '../../../src/mailbox/digest.js';
import { WORKER_FLAGS } from '../../../src/standalone/worker-flags.js';
import { addMessage, folderAt } from '../../servers/ews/fill.js';
import { ADDRESS, ewsGround, PASSWORD } from './ews-mailbox.js';

const MEBIBYTE = 1024 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const HEAD = Buffer.from('Subject: large\r\nMessage-ID: <large@old.test>\r\n\r\n');
const LINE = Buffer.from(`${'0123456789abcdef'.repeat(4)}0123456789ab\r\n`);

/** Made while it is sent. */
function* lines(size: number): Generator<Buffer> {
  yield HEAD;
  const block = Buffer.concat(Array.from({ length: 800 }, () => LINE));
  for (let left = size - HEAD.length; left > 0; left -= block.length)
    yield block.subarray(0, Math.min(left, block.length));
}

it('a message of 150 MB goes through a process that stays below 250 MB', async () => {
  const size = HEAD.length + LINE.length * 2_000_000;
  expect(size).toBeGreaterThan(148 * MEBIBYTE);
  const { server, box } = await ewsGround();
  addMessage(box, folderAt(box, ['INBOX']), { size, chunks: () => lines(size) }, { subject: 'large' });
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...WORKER_FLAGS, join(here, 'read-large.mjs'), server.url, ADDRESS, PASSWORD],
    { env: { ...process.env, NODE_OPTIONS: '' }, timeout: 100_000 },
  );
  const told = JSON.parse(stdout) as { size: number; digest: string; before: number; peak: number };
  expect(told.size).toBe(size);
  expect(told.digest).toBe(digestMessage(Buffer.concat([...lines(size)])).digest);
  expect(told.peak / MEBIBYTE).toBeLessThan(250);
  const [before, peak, whole] = [told.before, told.peak, size].map((bytes) => Math.round(bytes / MEBIBYTE));
  console.log(`peak RSS ${peak} MiB for ${whole} MiB, and ${before} MiB before`);
  await server.close();
}, 120_000);
