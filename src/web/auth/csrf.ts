import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';

/**
 * Keys of the web half, derived from the master keys so that all web processes share them and none is stored. The
 * first one signs; the others still count, so nobody is signed out while keys are rotated.
 */
@Injectable()
export class WebKeys {
  readonly csrf: readonly Buffer[];
  readonly session: readonly Buffer[];

  constructor(@Inject(PLUGIN_OPTIONS) options: ResolvedOptions) {
    this.csrf = derive(options.keys, 'mailferry/csrf');
    this.session = derive(options.keys, 'mailferry/session');
  }
}

/** Keys for one purpose (RFC 5869) out of `id:base64[,...]`; they never open a sealed password. */
function derive(keys: string, purpose: string): Buffer[] {
  return keys.split(',').map((entry) => {
    const master = Buffer.from(entry.slice(entry.indexOf(':') + 1).trim(), 'base64');
    if (master.length < 32) throw new Error('keys: every key is 32 bytes of base64 after its id');
    return Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), purpose, 32));
  });
}

/** The token of the hidden form field, bound to whoever is signed in, so that it needs no store. */
export function csrfToken(keys: readonly Buffer[], scope: string): string {
  const [key] = keys;
  if (key === undefined) throw new Error('no key');
  return mac(key, scope);
}

export function csrfMatches(keys: readonly Buffer[], scope: string, sent: unknown): boolean {
  if (typeof sent !== 'string') return false;
  const given = Buffer.from(sent);
  return keys.some((key) => {
    const wanted = Buffer.from(mac(key, scope));
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  });
}

function mac(key: Buffer, scope: string): string {
  return createHmac('sha256', key).update(scope).digest('base64url');
}
