import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/standalone/infra/process.js';

const START = join(import.meta.dirname, '../../dist/src/standalone/start.js');
const SLOW_MACHINE_MS = 120_000;

/** A browser's cookies, and nothing else of it. */
class Visitor {
  private readonly cookies = new Map<string, string>();

  constructor(private readonly base: string) {}

  async get(path: string): Promise<{ status: number; text: string; location: string | null }> {
    return this.ask(path, {});
  }

  /** Sends the form with the token that the page at `from` holds. */
  async post(
    path: string,
    fields: Record<string, string>,
    from: string | null = '/',
  ): Promise<Awaited<ReturnType<Visitor['get']>>> {
    const csrf = from === null ? '' : (/name="_csrf" value="([^"]+)"/.exec((await this.get(from)).text)?.[1] ?? '');
    return this.ask(path, { method: 'POST', body: new URLSearchParams({ _csrf: csrf, ...fields }) });
  }

  private async ask(
    path: string,
    init: RequestInit,
  ): Promise<{ status: number; text: string; location: string | null }> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(`${this.base}${path}`, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value) this.cookies.set(name, value);
      else this.cookies.delete(name);
    }
    return { status: answer.status, text: await answer.text(), location: answer.headers.get('location') };
  }
}

describe('npm start', () => {
  let dir: string;
  let base: string;
  let env: NodeJS.ProcessEnv;
  let running: ChildProcess;

  const start = async (): Promise<string> => {
    const child = spawn(process.execPath, [START], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    running = child;
    let said = '';
    await new Promise<void>((done, failed) => {
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (text: Buffer) => {
          said += text.toString();
          if (said.includes('ready: ')) done();
        });
      child.once('exit', (code) => failed(new Error(`ended with ${code}: ${said}`)));
    });
    return said;
  };
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((done) => (child.exitCode === null ? child.once('exit', done) : done(child.exitCode)));
  /** What still runs on the data folder. */
  const left = (): string[] =>
    readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      return [() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), () => readlinkSync(`/proc/${pid}/cwd`)].some(
        (look) => {
          try {
            return look().includes(dir);
          } catch {
            return false;
          }
        },
      );
    });

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mailferry-start-'));
    chmodSync(dir, 0o755);
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    env = { ...process.env, MAILFERRY_DATA_DIR: dir, MAILFERRY_PORT: String(port), MAILFERRY_CONFIG: '' };
    expect(await start()).toContain(`ready: ${base}/`);
  }, SLOW_MACHINE_MS);
  afterAll(async () => {
    if (running.exitCode === null && running.signalCode === null) {
      running.kill('SIGTERM');
      await ended(running);
    }
    rmSync(dir, { recursive: true, force: true });
  }, SLOW_MACHINE_MS);

  it('lets three people in by a button, each to what is his', async () => {
    for (const [person, link] of [
      ['alice', 'href="/migrate"'],
      ['dora', 'href="/migrate/domains/new.test"'],
      ['sam', 'href="/migrate/admin"'],
    ] as const) {
      const visitor = new Visitor(base);
      expect(await visitor.get('/mail-settings')).toMatchObject({ status: 303, location: '/' });
      expect(await visitor.post('/panel/sandbox', { person })).toMatchObject({
        status: 303,
        location: '/mail-settings',
      });
      const page = await visitor.get('/mail-settings');
      expect(page.text).toContain(link);
      expect((await visitor.get('/migrate')).status).toBe(200);
      expect((await visitor.post('/panel/sign-out', {}, '/mail-settings')).status).toBe(303);
      expect(await visitor.get('/migrate')).toMatchObject({ status: 303, location: '/mail-settings' });
    }
  });

  it('refuses a form that did not come from its page', async () => {
    const visitor = new Visitor(base);
    expect((await visitor.post('/panel/sandbox', { person: 'sam' }, null)).status).toBe(403);
    expect((await visitor.post('/panel/sandbox', { person: 'root' })).status).toBe(403);
    expect((await visitor.get('/mail-settings')).status).toBe(303);
  });

  it(
    'lets a person in by the password of the new mailbox, and says nothing more of a wrong one',
    async () => {
      const visitor = new Visitor(base);
      const wrong = await visitor.post('/panel/sign-in', { name: 'bob@new.test', password: 'no' });
      const nobody = await visitor.post('/panel/sign-in', { name: 'nobody@new.test', password: 'no' });
      expect([wrong.status, nobody.status]).toEqual([401, 401]);
      expect(wrong.text).toContain('Name or password is wrong.');
      expect(nobody.text).toContain('Name or password is wrong.');
      expect((await visitor.post('/panel/sign-in', { name: 'Bob@new.test', password: 'sandbox' })).status).toBe(303);
      expect((await visitor.get('/mail-settings')).text).toContain('bob@new.test');
    },
    SLOW_MACHINE_MS,
  );

  it('has no inline script or style, and says so to the browser', async () => {
    const answer = await fetch(`${base}/`);
    const text = await answer.text();
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).not.toMatch(/<script(?![^>]*src=)|<style|style="|\son\w+="/);
    for (const [, path] of text.matchAll(/(?:href|src)="(\/migrate\/[^"#]+)"/g))
      expect([path, (await fetch(`${base}${path}`)).status]).toEqual([path, 200]);
  });

  it('says where it is when it is started a second time', () => {
    const second = spawnSync(process.execPath, [START], { env, encoding: 'utf8' });
    expect([second.status, second.stdout]).toEqual([0, `mailferry: already running: ${base}/\n`]);
  });

  it(
    'goes on where it was after it was killed, and leaves nothing behind when it is stopped',
    async () => {
      const visitor = new Visitor(base);
      await visitor.post('/panel/sandbox', { person: 'alice' });
      running.kill('SIGKILL');
      await ended(running);
      await start();
      expect((await visitor.get('/mail-settings')).text).toContain('alice@new.test');
      running.kill('SIGINT');
      expect(await ended(running)).toBe(0);
      expect(left()).toEqual([]);
    },
    SLOW_MACHINE_MS,
  );
});
