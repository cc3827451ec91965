import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';
import { ImapFailure } from '../failure.js';
import { WIRE_LIMITS } from '../limits.js';

export interface MailboxState {
  /** Null: the server keeps no lasting ids here (RFC 4315 UIDNOTSTICKY, or none told). */
  readonly uidValidity: number | null;
  /** The server says that it keeps none, whatever else it tells (RFC 4315 UIDNOTSTICKY). */
  readonly notSticky: boolean;
  readonly uidNext: number | null;
  readonly exists: number;
  /** Null: not told, which means all (RFC 9051 section 7.1). */
  readonly permanentFlags: readonly string[] | null;
  /** Decimal; null: no mod-sequences here (RFC 7162). */
  readonly highestModseq: string | null;
  /** RFC 8474. */
  readonly mailboxId: string | null;
  readonly readOnly: boolean;
}

/** What is read of an opening; a server may say anything else as often as it likes. */
const CODES: readonly string[] = ['UIDVALIDITY', 'UIDNEXT', 'PERMANENTFLAGS', 'HIGHESTMODSEQ', 'MAILBOXID'];

/**
 * Opens a mailbox: EXAMINE (`readOnly`) changes nothing at all, not even \Recent. The name is the server's spelling.
 * @throws ImapFailure
 */
export async function select(connection: ImapConnection, raw: string, readOnly: boolean): Promise<MailboxState> {
  let exists = 0;
  let notSticky = false;
  const told = new Map<string, string>();
  const verb = readOnly ? 'EXAMINE' : 'SELECT';
  connection.selected = null;
  const asked = connection.run(
    verb,
    async (out) => {
      out.text(`${verb} `);
      await writeName(out, raw);
      out.text(connection.has('CONDSTORE') ? ' (CONDSTORE)\r\n' : '\r\n');
    },
    {
      onUntagged(response) {
        if (response.is === 'data') {
          if (response.name === 'EXISTS' && response.number !== null) exists = believable(response.number);
          else return response.name === 'RECENT' || response.name === 'FLAGS';
          return true;
        }
        if (response.code === null) return false;
        if (response.code.name === 'UIDNOTSTICKY') notSticky = true;
        if (CODES.includes(response.code.name)) told.set(response.code.name, response.code.rest);
        return true;
      },
      barrier: true,
    },
  );
  const done = await asked.catch((error: unknown) => {
    // A failed one closes what was open before, also what was asked for meanwhile.
    connection.selected = null;
    throw error;
  });
  const opened = { raw, readOnly: readOnly || done.code?.name === 'READ-ONLY' };
  connection.selected = opened;
  const validity = number(told.get('UIDVALIDITY'));
  return {
    notSticky,
    uidValidity: notSticky || validity === null || validity === 0 ? null : validity,
    uidNext: number(told.get('UIDNEXT')) || null,
    exists,
    permanentFlags: flagList(told.get('PERMANENTFLAGS')),
    highestModseq: modseq(told.get('HIGHESTMODSEQ')),
    mailboxId: /^\(([^()\s]{1,255})\)$/.exec(told.get('MAILBOXID') ?? '')?.[1] ?? null,
    readOnly: opened.readOnly,
  };
}

function believable(exists: number): number {
  if (exists <= WIRE_LIMITS.messages) return exists;
  throw new ImapFailure('too-large', 'the server claims more messages than a mailbox can hold');
}

function number(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return null;
  return Number(text);
}

/** Some servers tell -1 or decimals (Zoho, mail.ru): taken as none. */
export function modseq(text: string | undefined): string | null {
  return text !== undefined && /^[1-9]\d{0,18}$/.test(text) ? text : null;
}

function flagList(text: string | undefined): string[] | null {
  if (text === undefined) return null;
  const match = /^\(([^()]*)\)$/.exec(text.trim());
  if (match === null) throw new ImapFailure('protocol', 'the server sent no flag list where one is due');
  return match[1]!.split(' ').filter((flag) => flag !== '');
}
