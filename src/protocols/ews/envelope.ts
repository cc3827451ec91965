import { MESSAGES, TYPES } from './answer.js';
import type { EwsMailbox } from './login.js';

/** Understood by everything from Exchange 2010 SP2 on, and by the servers that speak like it. */
export const VERSION = 'Exchange2010_SP2';

/** A SOAP envelope of our own, where the library has no request for it. @param body XML with the prefixes m and t */
export function envelope(mailbox: EwsMailbox, body: string): string {
  const impersonation =
    mailbox.by === 'impersonation'
      ? `<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>${escapeXml(mailbox.address)}</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`
      : '';
  return [
    `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="${MESSAGES}" xmlns:t="${TYPES}">`,
    `<soap:Header><t:RequestServerVersion Version="${VERSION}"/>${impersonation}</soap:Header>`,
    `<soap:Body>${body}</soap:Body></soap:Envelope>`,
  ].join('');
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!);
}
