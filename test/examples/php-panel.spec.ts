import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import request from 'supertest';
import { startWeb, type WebApp } from '../web/web-app.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/php-panel/', import.meta.url));
const PANEL = 'https://php-panel.test';
const hasPhp = spawnSync('php', ['--version']).status === 0;

/** PHP is no need of ours: without it the example is not tried. */
(hasPhp ? describe : describe.skip)('the example panel in PHP', () => {
  let web: WebApp;
  let dir: string;
  let keyFile: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mailferry-php-'));
    keyFile = join(dir, 'panel-key.pem');
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    web = await startWeb({ issuers: [{ iss: PANEL, publicKey: spki }] });
  });
  afterAll(async () => {
    await web.close();
    rmSync(dir, { recursive: true });
  });

  const page = (): string =>
    execFileSync('php', ['index.php'], {
      cwd: EXAMPLE,
      encoding: 'utf8',
      env: { ...process.env, PANEL_KEY: keyFile, PANEL_ISSUER: PANEL, MAILFERRY_URL: 'https://m.panel.test/migrate' },
    });
  const tokenOf = (html: string): string => /name="token" value="([^"]+)"/.exec(html)?.[1] ?? '';

  it('submits a token that signs its person in, once', async () => {
    const html = page();
    expect(html).toContain('action="https://m.panel.test/migrate/sign-in"');
    const signIn = () =>
      request(web.server)
        .post('/migrate/sign-in')
        .type('form')
        .send({ token: tokenOf(html) });
    expect((await signIn()).status).toBe(303);
    expect((await signIn()).status).toBe(401);
  });

  it('signs so that every signature is right, those with short numbers too', async () => {
    // One of 128 has an r or s that starts with a zero byte.
    const many = execFileSync(
      'php',
      [
        '-r',
        `require 'token.php'; for ($i = 0; $i < 600; $i++)
           echo mailferry_token($argv[1], $argv[2], API, ['sub' => 'alice', 'role' => 'user']), "\\n";`,
        keyFile,
        PANEL,
      ],
      { cwd: EXAMPLE, encoding: 'utf8' },
    );
    const tokens = many.trim().split('\n');
    expect(tokens).toHaveLength(600);
    for (const token of tokens) {
      const answer = await request(web.server).get('/migrate/api/v1/jobs').set('Authorization', `Bearer ${token}`);
      expect(answer.status).toBe(200);
    }
  });
});
