import type { TargetProfile } from './prepared.js';

/**
 * | input                            | Cyrus 3.6          | Radicale 3.1            |
 * | -------------------------------- | ------------------ | ----------------------- |
 * | timed event without or empty end | 403                | taken                   |
 * | comma in a category, escaped     | two categories     | kept                    |
 * | exception without series         | taken              | 400                     |
 * | vCard 4.0                        | given back as 3.0  | kept                    |
 * | vCard 4.0 without N              | 403                | 400                     |
 * | vCard 2.1                        | 403                | 400 if quoted-printable |
 */
const PROFILES: Readonly<Record<TargetProfile['name'], TargetProfile>> = {
  cyrus: {
    name: 'cyrus',
    takesDetachedOverrides: true,
    needsEnd: true,
    cutsAtCommas: true,
    cards: '3.0',
    needsName: true,
  },
  radicale: {
    name: 'radicale',
    takesDetachedOverrides: false,
    needsEnd: false,
    cutsAtCommas: false,
    cards: 'any',
    needsName: true,
  },
  unknown: {
    name: 'unknown',
    takesDetachedOverrides: true,
    needsEnd: false,
    cutsAtCommas: false,
    cards: 'any',
    needsName: false,
  },
};

/** What is repaired when a server said no: all that any server is known to want. */
export const STRICTEST: TargetProfile = {
  name: 'unknown',
  takesDetachedOverrides: false,
  needsEnd: true,
  cutsAtCommas: false,
  cards: '3.0',
  needsName: true,
};

/** @param server the Server header or DAV header's words; undefined: nothing is known. */
export function targetProfile(server: string | undefined): TargetProfile {
  if (/cyrus/i.test(server ?? '')) return PROFILES.cyrus;
  return /radicale/i.test(server ?? '') ? PROFILES.radicale : PROFILES.unknown;
}
