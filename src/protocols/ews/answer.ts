import { childrenNamed, textOf, type XmlElement } from '../xml.js';
import { DEFAULT_BACK_OFF_MS, EwsFailure } from './failure.js';

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';
export const MESSAGES = 'http://schemas.microsoft.com/exchange/services/2006/messages';
export const TYPES = 'http://schemas.microsoft.com/exchange/services/2006/types';
const MOST_TEXT = 300;
/** A wait longer than this is not believed (ms). */
const MAX_WAIT = 24 * 3_600_000;

/** One response message: what the library tells of it may be undefined, so it is told here. */
export interface ResponseMessage {
  readonly ok: boolean;
  /** As the server spells it, known to us or not; 'NoError'. */
  readonly code: string;
  readonly text: string;
  readonly element: XmlElement;
}

/**
 * The response messages of a SOAP answer, in their order.
 * @param expected how many were asked for
 * @throws EwsFailure 'busy' where the whole batch is to come again later, however that is said; 'refused' for a SOAP fault,
 * whatever the HTTP status; 'not-ews' for XML that is no SOAP; 'short' for fewer messages
 */
export function responseMessages(
  root: XmlElement,
  operation: string,
  expected: number,
  status = 200,
): ResponseMessage[] {
  if (root.name !== 'Envelope' || root.namespace !== SOAP) throw new EwsFailure('not-ews', { status });
  const body = childrenNamed(root, 'Body')[0];
  const fault = body === undefined ? undefined : childrenNamed(body, 'Fault')[0];
  if (fault !== undefined) throw failureOf(fault, status);
  const answer = body?.children[0];
  if (answer?.name !== `${operation}Response` || answer.namespace !== MESSAGES)
    throw new EwsFailure('not-understood', { status });
  const messages = (childrenNamed(answer, 'ResponseMessages')[0]?.children ?? []).map(messageOf);
  refuseBusy(messages, status);
  if (messages.length !== expected) throw shortAnswer(messages, status);
  return messages;
}

function messageOf(element: XmlElement): ResponseMessage {
  return {
    ok: element.attributes.get('ResponseClass') !== 'Error',
    code: textOf(element, 'ResponseCode'),
    text: textOf(element, 'MessageText').slice(0, MOST_TEXT),
    element,
  };
}

/** Exchange throttles a whole batch, and says so in each of its messages or in one instead of all. */
function refuseBusy(messages: readonly ResponseMessage[], status: number): void {
  for (const { ok, code, text, element } of messages) {
    if (ok) continue;
    const told = backOffIn(element);
    if (code === 'ErrorServerBusy' || (told !== undefined && told > 0) || inner(element) === 'ErrorServerBusy')
      throw new EwsFailure('busy', { code, status, backOffMs: told ?? DEFAULT_BACK_OFF_MS, serverText: text });
  }
}

function shortAnswer(messages: readonly ResponseMessage[], status: number): EwsFailure {
  const wrong = messages.find(({ ok }) => !ok);
  return new EwsFailure('short', { status, code: wrong?.code ?? '', serverText: wrong?.text ?? '' });
}

/** A SOAP fault as Exchange words it: the code in detail/ResponseCode, the wait in detail/MessageXml. */
function failureOf(fault: XmlElement, status: number): EwsFailure {
  const detail = childrenNamed(fault, 'detail')[0];
  const code =
    (detail === undefined ? '' : textOf(detail, 'ResponseCode')) || textOf(fault, 'faultcode').replace(/^.*:/, '');
  const serverText = textOf(fault, 'faultstring').slice(0, MOST_TEXT);
  const backOffMs = detail === undefined ? undefined : backOffIn(detail);
  if (code === 'ErrorServerBusy' || backOffMs !== undefined)
    return new EwsFailure('busy', { code, status, serverText, backOffMs: backOffMs ?? DEFAULT_BACK_OFF_MS });
  return new EwsFailure('refused', { code, status, serverText });
}

function values(element: XmlElement): XmlElement[] {
  return childrenNamed(element, 'MessageXml').flatMap((xml) => childrenNamed(xml, 'Value'));
}

function backOffIn(element: XmlElement): number | undefined {
  const told = values(element).find(({ attributes }) => attributes.get('Name') === 'BackOffMilliseconds');
  const ms = told === undefined ? Number.NaN : Number(told.text.trim());
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, MAX_WAIT) : undefined;
}

function inner(element: XmlElement): string | undefined {
  return values(element)
    .find(({ attributes }) => attributes.get('Name') === 'InnerErrorResponseCode')
    ?.text.trim();
}
