import { createHmac, hkdfSync } from 'node:crypto';

export interface MasterKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/;

/** A wrong key setting. The message names the place and never the key. */
export class KeyringError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeyringError';
  }
}

/** The master keys by id. The first one seals; the others still open what they sealed (rotation). */
export class Keyring {
  readonly sealing: MasterKey;
  private readonly byId: ReadonlyMap<string, MasterKey>;

  private constructor(keys: readonly [MasterKey, ...MasterKey[]]) {
    this.sealing = keys[0];
    this.byId = new Map(keys.map((key) => [key.id, key]));
  }

  /**
   * @param setting `id:base64 of 32 bytes[,...]`
   * @throws KeyringError
   */
  static parse(setting: string): Keyring {
    const keys = setting
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part, i) => parseKey(part, i + 1));
    const [first, ...rest] = keys;
    if (first === undefined) throw new KeyringError('no master key is set');
    if (new Set(keys.map(({ id }) => id)).size !== keys.length)
      throw new KeyringError('two master keys have the same id');
    return new Keyring([first, ...rest]);
  }

  find(id: string): MasterKey | null {
    return this.byId.get(id) ?? null;
  }

  get ids(): readonly string[] {
    return [...this.byId.keys()];
  }

  /** HMAC-SHA-256, hex, by a key derived from the sealing master key for one purpose (RFC 5869). */
  mac(purpose: string, text: string): string {
    return macBy(this.sealing, purpose, text);
  }

  /** By every key: what was signed before a rotation still counts. */
  macs(purpose: string, text: string): string[] {
    return [...this.byId.values()].map((key) => macBy(key, purpose, text));
  }
}

function macBy({ key: master }: MasterKey, purpose: string, text: string): string {
  const key = Buffer.from(hkdfSync('sha256', master, '', `mailferry/${purpose}`, KEY_BYTES));
  return createHmac('sha256', key).update(text, 'utf8').digest('hex');
}

function parseKey(part: string, position: number): MasterKey {
  const colon = part.indexOf(':');
  const id = part.slice(0, Math.max(colon, 0));
  if (!KEY_ID.test(id)) throw new KeyringError(`master key ${position} has no id: expected id:base64 of 32 bytes`);
  const text = part.slice(colon + 1);
  const key = Buffer.from(text, 'base64');
  // Buffer.from forgives anything: only what encodes back to itself was base64.
  if (key.length !== KEY_BYTES || key.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    throw new KeyringError(`master key ${JSON.stringify(id)} is not the base64 of 32 bytes`);
  return { id, key };
}
