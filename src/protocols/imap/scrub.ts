const MASK = '***';

/**
 * Masks secrets wherever a server repeats them: as they are, in base64, URL-encoded, quoted, in any case. Everything a server says goes
 * through this before it is kept anywhere.
 */
export function scrubber(secrets: readonly string[], joined: readonly string[] = []): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of [...secrets, ...joined]) {
    if (secret === '') continue;
    const base64 = Buffer.from(secret, 'utf8').toString('base64');
    const wire = Buffer.from(secret, 'utf8').toString('latin1');
    for (const form of [secret, wire, wire.replace(/["\\]/g, '\\$&'), base64, base64.replace(/=+$/, '')])
      forms.add(form);
    forms.add(encodeURIComponent(secret.replace(/\p{Surrogate}/gu, '')));
  }
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  if (longestFirst.length === 0) return (text) => text;
  const pattern = new RegExp(longestFirst.map((form) => form.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'gi');
  return (text) => text.replace(pattern, MASK);
}
