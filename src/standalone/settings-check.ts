import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { PACKAGE_DIR } from './infra/places.js';

/** One line that names the setting and says what it must be. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Settings as they were written, whatever they are worth. */
export type Raw = Record<string, unknown>;

/** The file that MAILFERRY_CONFIG names. @throws SettingsError without any of its text */
export function readSettingsFile(file: string): Raw {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingsError(`MAILFERRY_CONFIG: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Raw;
  } catch {
    // Not the parser's message: it quotes the file, and there may be a secret in it.
  }
  throw new SettingsError(`MAILFERRY_CONFIG: ${file} must hold one JSON object`);
}

const validate = (() => {
  let compiled: ReturnType<Ajv2020['compile']> | null = null;
  return (raw: Raw): ErrorObject[] => {
    compiled ??= new Ajv2020({
      allErrors: true,
      strict: true,
      allowUnionTypes: true,
      strictRequired: false,
      strictTypes: false,
    }).compile(JSON.parse(readFileSync(join(PACKAGE_DIR, 'schemas', 'settings.schema.json'), 'utf8')) as object);
    return compiled(raw) ? [] : (compiled.errors ?? []);
  };
})();

/**
 * Whether they are what the schema says.
 * @param variableOf the environment variable that a setting came from; null: the file
 * @throws SettingsError
 */
export function checkSettings(raw: Raw, variableOf: (key: string) => string | null, file: string | null): void {
  const errors = validate(raw);
  // A union reports every branch: the deepest complaint is the one about what was meant.
  const error =
    errors.filter((one) => one.keyword !== 'oneOf' && one.keyword !== 'const').sort((a, b) => depth(b) - depth(a))[0] ??
    errors[0];
  if (!error) return;
  const path = error.instancePath.split('/').slice(1);
  const extra = error.keyword === 'additionalProperties' ? String(error.params['additionalProperty']) : null;
  const variable = path[0] === undefined ? null : variableOf(path[0]);
  const within = (variable ? path.slice(1) : path).concat(extra ? [extra] : []).join('.');
  const where = [variable, within].filter(Boolean).join(': ') + (variable ? '' : ` in ${file}`);
  throw new SettingsError(`${where} ${extra ? 'is not a setting' : sentence(error)}`);
}

const depth = (error: ErrorObject): number => error.instancePath.split('/').length;

function sentence(error: ErrorObject): string {
  if (error.keyword === 'enum') return `must be one of ${(error.params['allowedValues'] as string[]).join(', ')}`;
  return error.message ?? 'is wrong';
}

/** `id:base64 of 32 bytes[,...]`, ids different. @throws SettingsError without any of the key's text. */
export function checkKeys(keys: string, name: string): void {
  const ids = new Set<string>();
  for (const entry of keys.split(',')) {
    const [id, text, ...rest] = entry.trim().split(':');
    if (!id || !text || rest.length || !/^[A-Za-z0-9_.-]{1,32}$/.test(id))
      throw new SettingsError(`${name} must be id:KEY[,id:KEY...]`);
    if (!/^[A-Za-z0-9+/]{43}=?$/.test(text) || Buffer.from(text, 'base64').length !== 32)
      throw new SettingsError(`${name}: key '${id}' must be 32 bytes in base64 (openssl rand -base64 32)`);
    if (ids.has(id)) throw new SettingsError(`${name}: key id '${id}' is there twice`);
    ids.add(id);
  }
}
