import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../../src/standalone/settings.js';
import { SettingsError } from '../../src/standalone/settings-check.js';

const KEY = Buffer.alloc(32, 7).toString('base64');

describe('the settings', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'mailferry-settings-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (content: unknown): { MAILFERRY_CONFIG: string } => {
    const path = join(dir, 'settings.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return { MAILFERRY_CONFIG: path };
  };
  const complaint = (env: Record<string, string>): string => {
    try {
      loadSettings(env);
    } catch (error) {
      expect(error).toBeInstanceOf(SettingsError);
      return (error as Error).message;
    }
    throw new Error('nothing was wrong with it');
  };

  it('are complete when nothing is set', () => {
    expect(loadSettings({})).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      basePath: '/migrate',
      databaseUrl: null,
      redis: null,
      sandbox: true,
      destination: null,
      allowPlaintext: false,
      workerJobs: 4,
    });
  });

  it('have the defaults that the schema tells', () => {
    const schema = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../schemas/settings.schema.json'), 'utf8'),
    ) as { properties: Record<string, { default?: unknown; description?: string }> };
    const settings = loadSettings({}) as unknown as Record<string, unknown>;
    for (const [name, { default: told, description }] of Object.entries(schema.properties)) {
      expect(description).toBeTruthy();
      if (told === undefined || settings[name] === null) continue;
      expect([name, settings[name]]).toEqual([name, told]);
    }
  });

  it('come from the file, and the environment wins', () => {
    const env = { ...file({ port: 4000, host: '0.0.0.0', workerJobs: 9 }), MAILFERRY_PORT: '5000' };
    expect(loadSettings(env)).toMatchObject({ port: 5000, host: '0.0.0.0', workerJobs: 9 });
  });

  it('start no sandbox when there is a destination', () => {
    const destination = { imap: { host: 'mail.test' }, access: { kind: 'user-secret' } };
    expect(loadSettings({ MAILFERRY_DESTINATION: JSON.stringify(destination) })).toMatchObject({
      sandbox: false,
      destination,
    });
  });

  it.each([
    [{ MAILFERRY_PORT: 'http' }, 'MAILFERRY_PORT must be a whole number'],
    [{ MAILFERRY_PORT: '70000' }, 'MAILFERRY_PORT must be <= 65535'],
    [{ MAILFERRY_SANDBOX: 'maybe' }, 'MAILFERRY_SANDBOX must be true or false'],
    [{ MAILFERRY_BASE_PATH: 'migrate' }, 'MAILFERRY_BASE_PATH must match'],
    [{ MAILFERRY_REDIS_URL: 'http://x' }, 'MAILFERRY_REDIS_URL must match'],
    [{ MAILFERRY_EGRESS_PORTS: '143,imap' }, 'MAILFERRY_EGRESS_PORTS must be a whole number'],
    [{ MAILFERRY_DESTINATION: '{' }, 'MAILFERRY_DESTINATION must be JSON'],
    [{ MAILFERRY_DESTINATION: '{"imap":{}}' }, 'MAILFERRY_DESTINATION: imap must have required property'],
    [
      { MAILFERRY_DESTINATION: '{"imap":{"host":"a"},"access":{"kind":"root"}}' },
      'MAILFERRY_DESTINATION: access.kind must be one of imap-authzid, imap-composite, user-secret',
    ],
    [
      { MAILFERRY_DESTINATION: '{"imap":{"host":"a"},"access":{"kind":"imap-authzid","authcid":"a"}}' },
      'MAILFERRY_DESTINATION: access must have required property',
    ],
    [{ MAILFERRY_KEYS: 'k1' }, 'MAILFERRY_KEYS must be id:KEY'],
    [{ MAILFERRY_KEYS: `k1:${KEY},k1:${KEY}` }, "MAILFERRY_KEYS: key id 'k1' is there twice"],
    [{ MAILFERRY_CONFIG: '/does/not/exist' }, 'MAILFERRY_CONFIG: /does/not/exist cannot be read'],
  ] as [Record<string, string>, string][])('stop the start with one line for %j', (env, line) => {
    const said = complaint(env);
    expect(said).toContain(line);
    expect(said).not.toContain('\n');
  });

  it('name the place in the file, and what is no setting at all', () => {
    expect(complaint(file({ prot: 3000 }))).toMatch(/^prot in .*settings\.json is not a setting$/);
    expect(complaint(file({ branding: { accent: 'red' } }))).toMatch(/^branding\.accent in .* must match/);
    expect(complaint(file('[]'))).toMatch(/must hold one JSON object$/);
  });

  it('never repeat a secret that is wrong', () => {
    expect(complaint({ MAILFERRY_KEYS: 'k1:canary-secret' })).not.toContain('canary');
    expect(complaint(file('{"keys": "canary-secret'))).not.toContain('canary');
  });

  it('take a unix socket or a URL for Redis', () => {
    expect(loadSettings({ MAILFERRY_REDIS_URL: 'unix:/run/redis.sock' }).redis).toEqual({ path: '/run/redis.sock' });
    expect(loadSettings({ MAILFERRY_REDIS_URL: 'unix:///run/redis.sock' }).redis).toEqual({ path: '/run/redis.sock' });
    expect(loadSettings({ MAILFERRY_REDIS_URL: 'redis://r:6379' }).redis).toEqual({ url: 'redis://r:6379' });
  });
});
