/** What test/global-setup.mjs started. */
export interface TestEnv {
  /** Temp folder of this run; gone at its end. */
  readonly dir: string;
  /** Superuser on the database `postgres`: only for making databases. */
  readonly databaseUrl: string;
  readonly redisPath: string;
  readonly old: DovecotEnv;
  readonly hoster: DovecotEnv;
}
export interface DovecotEnv {
  readonly name: string;
  readonly dir: string;
  readonly imapPort: number;
  readonly imapsPort: number;
  readonly ca: string;
  readonly master: { readonly name: string; readonly password: string };
}

export function testEnv(): TestEnv {
  const text = process.env['MAILFERRY_TEST'];
  if (!text) throw new Error('MAILFERRY_TEST is not set: did jest run test/global-setup.mjs?');
  return JSON.parse(text) as TestEnv;
}
