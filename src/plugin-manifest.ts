import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** The parts of plugin.manifest.json that are read at run time; schemas/plugin.manifest.schema.json has all. */
export interface PluginManifest {
  readonly id: string;
  readonly version: string;
  readonly compatibility: { readonly hostApi: string; readonly node: string };
  readonly permissions: readonly { readonly id: string }[];
  readonly contributes: { readonly navigation: readonly { readonly permission: string; readonly path: string }[] };
}

/**
 * Reads and checks the manifest.
 * @param hostApiVersion what the panel says it implements.
 * @throws Error with one line that says what is wrong: the plugin must not start.
 */
export function loadManifest(
  packageDir: string,
  hostApiVersion: string,
  nodeVersion = process.versions.node,
): PluginManifest {
  const manifest = readJson(join(packageDir, 'plugin.manifest.json'));
  const schema = readJson(join(packageDir, 'schemas', 'plugin.manifest.schema.json')) as object;
  const ajv = new Ajv2020({ allErrors: false, strict: true, strictRequired: false });
  addFormats.default(ajv);
  const validate = ajv.compile<PluginManifest>(schema);
  if (!validate(manifest)) {
    const first = validate.errors?.[0];
    throw new Error(`plugin.manifest.json${first?.instancePath ?? ''} ${first?.message ?? 'is wrong'}`);
  }
  const known = new Set(manifest.permissions.map((permission) => permission.id));
  const unknown = manifest.contributes.navigation.find((entry) => !known.has(entry.permission));
  if (unknown)
    throw new Error(`plugin.manifest.json: ${unknown.path} needs ${unknown.permission}, which is not declared`);
  if (!satisfies(hostApiVersion, manifest.compatibility.hostApi))
    throw new Error(
      `this plugin needs a panel with host API ${manifest.compatibility.hostApi}; the panel says ${hostApiVersion}`,
    );
  if (!satisfies(nodeVersion, manifest.compatibility.node))
    throw new Error(`this plugin needs Node ${manifest.compatibility.node}; this is ${nodeVersion}`);
  return manifest;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** `^1.2.3` and `>=1.2` are the only ranges the manifest's schema lets through. */
export function satisfies(version: string, range: string): boolean {
  const parts = (text: string): number[] => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const have = parts(version);
  const want = parts(range.replace(/^(\^|>=)/, ''));
  if (range.startsWith('^') && have[0] !== want[0]) return false;
  for (let i = 0; i < 3; i++) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
