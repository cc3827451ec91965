/** Shorter secrets would blank out ordinary words; such a password is not refused, but not searched for either. */
const MIN_LENGTH = 4;
const MASK = '••••';
const MAX_TEXT = 2_000;
const MAX_DEPTH = 6;
/** Control and ANSI bytes: one log line stays one line. Tab and newline become blanks. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;

/** Takes secrets out of everything that is written down, by value: servers echo passwords. */
export class Scrubber {
  private readonly needles = new Set<string>();

  /** Remembers a secret in the spellings in which it crosses a wire. */
  add(secret: string, username = ''): void {
    const spellings = [
      secret,
      encodeURIComponent(secret),
      secret.replace(/(["\\])/g, '\\$1'),
      JSON.stringify(secret).slice(1, -1),
      base64(secret),
      // RFC 4616: authzid NUL authcid NUL password.
      base64(`\0${username}\0${secret}`),
      base64(`${username}\0${username}\0${secret}`),
      base64(`${username}:${secret}`),
      base64(`user=${username}\u0001auth=Bearer ${secret}\u0001\u0001`),
    ];
    for (const spelling of spellings) if (spelling.length >= MIN_LENGTH) this.needles.add(spelling);
  }

  /** One bounded line without secrets. */
  text(text: string): string {
    let clean = text.slice(0, MAX_TEXT * 2);
    // Longest first, else a part of a needle would be left over.
    for (const needle of [...this.needles].sort((a, b) => b.length - a.length)) clean = clean.replaceAll(needle, MASK);
    // Cut in the middle of a character, half of it would be left, which jsonb does not take.
    return clean
      .replace(CONTROL, ' ')
      .slice(0, MAX_TEXT)
      .replace(/\p{Surrogate}/gu, '\ufffd');
  }

  /** The same through a small structure. */
  value(value: unknown, depth = 0): unknown {
    if (typeof value === 'string') return this.text(value);
    if (value === null || typeof value !== 'object') return typeof value === 'bigint' ? String(value) : value;
    if (depth >= MAX_DEPTH) return '…';
    if (value instanceof Error) return this.text(value.message);
    if (Array.isArray(value)) return value.slice(0, 100).map((entry) => this.value(entry, depth + 1));
    return Object.fromEntries(
      Object.entries(value)
        .slice(0, 100)
        .map(([key, entry]) => [this.text(key), this.value(entry, depth + 1)]),
    );
  }
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64').replace(/=+$/, '');
}
