import { ImapFailure } from './failure.js';
import type { CommandWriter } from './writer.js';

/** Longest quoted string; longer ones go as literals. */
const MAX_QUOTED = 1_000;

/**
 * Writes a mailbox name, given one character a byte: quoted where that can be, else as a literal.
 * @throws ImapFailure 'input' for NUL, which IMAP cannot carry.
 */
export async function writeName(out: CommandWriter, raw: string): Promise<void> {
  if (raw.includes('\0')) throw new ImapFailure('input', 'a folder name with a NUL cannot be sent');
  if (raw.length <= MAX_QUOTED && /^[\x20-\x7e]*$/.test(raw)) {
    out.text(quoted(raw));
    return;
  }
  await out.announce(raw.length);
  out.text(raw);
}

/** For printable ASCII only. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** False: no command can name this folder. */
export function canName(raw: string): boolean {
  return raw !== '' && !raw.includes('\0');
}
