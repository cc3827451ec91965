/** What several kinds of items have in common. */
import { element, escapeXml, plain } from './xml.js';

export interface Person {
  readonly name?: string;
  readonly address: string;
  /** 'EX' for an address of the organisation. */
  readonly routing?: string;
}
export const mailboxXml = ({ name, address, routing = 'SMTP' }: Person): string =>
  element('t:Mailbox', {}, plain('Name', name), plain('EmailAddress', address), plain('RoutingType', routing));

export function bodyXml(text: string | undefined, html: string | undefined): string {
  if (html !== undefined) return element('t:Body', { BodyType: 'HTML' }, escapeXml(html));
  return text === undefined ? '' : `<t:Body BodyType="Text">${escapeXml(text)}</t:Body>`;
}

export function strings(name: string, all: readonly string[] | undefined): string {
  return all?.length ? element(`t:${name}`, {}, ...all.map((one) => plain('String', one))) : '';
}
