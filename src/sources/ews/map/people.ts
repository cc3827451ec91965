import type { PlainPerson } from '../../../conversion/build/calendar.js';
import type { XmlElement } from '../../../protocols/xml.js';
import { child, text } from './fields.js';

/** Somebody by a t:Mailbox in it. Null: no address at all. An address of the organisation (routing EX) stays as it is. */
export function personOf(element: XmlElement | undefined): PlainPerson | null {
  const mailbox = child(element, 'Mailbox');
  const name = text(mailbox, 'Name')?.trim();
  const address = addressOf(mailbox);
  if (address === null) return null;
  return { address, ...(name === undefined || name === address ? {} : { name }) };
}

/** Where the directory's name stands for an address, people often have the address as their name. */
export function addressOf(mailbox: XmlElement | undefined): string | null {
  const address = text(mailbox, 'EmailAddress')?.trim();
  if (address?.includes('@')) return address;
  const name = text(mailbox, 'Name')?.trim() ?? '';
  if (/^[^\s@<>]+@[^\s@<>]+$/.test(name)) return name;
  return address ?? null;
}
