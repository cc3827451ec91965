/**
 * A client that knows nothing of Mailferry: Debian's davmail reads the EWS test server and shows it by IMAP. It must see the same
 * folders and messages as the source does. Runs where davmail is installed, or unpacked below MAILFERRY_DAVMAIL.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ImapFlow } from 'imapflow';
import { freePort } from '../../../src/standalone/infra/process.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { bytesOf, collect } from '../../contracts/messages.js';
import { ADDRESS, type EwsGround, ewsGround, PASSWORD } from '../../sources/ews/ews-mailbox.js';
import { fillSample } from './sample.js';

const root = process.env['MAILFERRY_DAVMAIL'] ?? '/';
const jar = join(root, 'usr/share/davmail/davmail.jar');
const START_MS = 60_000;
const signal = new AbortController().signal;

/** How folders that everybody has are called over IMAP. */
const NAMES: Readonly<Record<string, string>> = {
  'Sent Items': 'Sent',
  'Deleted Items': 'Trash',
  'Junk E-Mail': 'Junk',
  Outbox: 'Unsent Messages',
};

/** Jars beside it, and the one native library it asks for, from a tree of unpacked packages. */
function classPath(dir: string): string {
  const java = join(root, 'usr/share/java');
  const native = join(root, 'usr/lib/x86_64-linux-gnu/jni/libjnidispatch.system.so');
  const resources = join(dir, 'com/sun/jna/linux-x86-64');
  mkdirSync(resources, { recursive: true });
  if (existsSync(native)) copyFileSync(native, join(resources, 'libjnidispatch.so'));
  const jars = readdirSync(java).filter((name) => name.endsWith('.jar'));
  return [dir, jar, ...jars.map((name) => join(java, name))].join(':');
}

function settings(url: string, port: number, dir: string): string {
  return [
    'davmail.server=true',
    'davmail.mode=EWS',
    `davmail.url=${url}`,
    `davmail.imapPort=${port}`,
    ...['smtp', 'pop', 'caldav', 'ldap'].map((name) => `davmail.${name}Port=`),
    'davmail.allowRemote=false',
    'davmail.bindAddress=127.0.0.1',
    'davmail.disableUpdateCheck=true',
    `davmail.logFilePath=${join(dir, 'davmail.log')}`,
  ].join('\n');
}

/** Every folder with what its messages are, sorted. */
async function seen(port: number): Promise<Map<string, string[]>> {
  const auth = { user: ADDRESS, pass: PASSWORD };
  const client = new ImapFlow({ host: '127.0.0.1', port, secure: false, doSTARTTLS: false, auth, logger: false });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const folders = new Map<string, string[]>();
    for (const { path } of await client.list()) {
      const { exists } = await client.mailboxOpen(path, { readOnly: true });
      const messages: string[] = [];
      if (exists > 0)
        for await (const { source } of client.fetch('1:*', { source: true })) messages.push(source!.toString('latin1'));
      folders.set(path, messages.sort());
    }
    return folders;
  } finally {
    client.close();
  }
}

describe('davmail', () => {
  if (!existsSync(jar)) return it.skip('is not installed here', () => undefined);
  let ground: EwsGround;
  let davmail: ChildProcess;
  let dir: string;
  beforeAll(async () => {
    ground = await ewsGround();
    fillSample(ground.box, { messages: 40, events: 5, series: 2, contacts: 3, tasks: 2, notes: 2 });
    dir = mkdtempSync(join(tmpdir(), 'mailferry-davmail-'));
  });
  afterAll(async () => {
    davmail?.kill();
    await ground.server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('sees the same folders and messages as the source', async () => {
    const port = await freePort();
    const file = join(dir, 'davmail.properties');
    writeFileSync(file, settings(ground.server.url, port, dir));
    const args = ['-Djava.awt.headless=true', '-cp', classPath(dir), 'davmail.DavGateway', file];
    davmail = spawn('java', args, { stdio: 'ignore' });
    let folders: Map<string, string[]> | undefined;
    for (const end = Date.now() + START_MS; folders === undefined;)
      folders = await seen(port).catch(async (error: unknown) => {
        if (Date.now() > end) throw error;
        await delay(500);
        return undefined;
      });
    const source = ground.source();
    const wanted = new Map<string, string[]>();
    for (const folder of await source.listFolders(signal)) {
      if (folder.kind !== 'mail' || folder.leftOut !== undefined) continue;
      const [first = '', ...below] = folder.path;
      const items = (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
      const bodies: string[] = [];
      for await (const outcome of source.read(folder, items, new BodyStaging(), signal))
        if (outcome.is === 'staged') bodies.push((await bytesOf(outcome.item.body)).toString('latin1'));
      wanted.set([NAMES[first] ?? first, ...below].join('/'), bodies.sort());
    }
    await source.close();
    for (const [path, bodies] of wanted) expect([path, folders.get(path)]).toEqual([path, bodies]);
    expect([...wanted.values()].flat()).toHaveLength(40);
  }, 180_000);
});
