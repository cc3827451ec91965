import { type DavClient, failed } from './client.js';
import type { Component, DavCollection } from './collections.js';
import type { DavFailure } from './failure.js';
import { escapeXml, XMLNS } from './names.js';

export interface NewCollection {
  readonly url: URL;
  readonly kind: DavCollection['kind'];
  readonly name: string;
  readonly components: readonly Component[];
  readonly color: string | null;
  readonly order: number | null;
  readonly description: string | null;
  readonly timezone: string | null;
}

/**
 * Makes a calendar (RFC 4791 section 5.3.1; where the server has no MKCALENDAR by RFC 5689 section 3) or an address book (RFC 5689, RFC 6352
 * section 6.3.1). What is only decoration is tried, and left out when the server refuses it.
 * @returns false: it may be there already. @throws DavFailure, ConnectError
 */
export async function makeCollection(client: DavClient, wanted: NewCollection, signal: AbortSignal): Promise<boolean> {
  let failure = await makeBy(client, wanted.kind === 'calendar' ? 'MKCALENDAR' : 'MKCOL', wanted, signal);
  if (wanted.kind === 'calendar' && (failure?.status === 405 || failure?.status === 501))
    failure = await makeBy(client, 'MKCOL', wanted, signal);
  if (failure === null) return true;
  // RFC 4918 section 9.3.1: 405 says that something is there, but also a server that makes nothing may say so.
  if (failure.status === 405 || failure.conditions.includes('resource-must-be-null')) return false;
  throw failure;
}

type Method = 'MKCALENDAR' | 'MKCOL';

/** @returns null: made. */
async function makeBy(
  client: DavClient,
  method: Method,
  wanted: NewCollection,
  signal: AbortSignal,
): Promise<DavFailure | null> {
  const tries = [wanted, { ...wanted, color: null, order: null, description: null, timezone: null }];
  let refusal: DavFailure | null = null;
  for (const one of tries) {
    const failure = await client.exchange(
      { method, url: one.url, body: bodyOf(one, method) },
      signal,
      async (response) => {
        const partly = response.status === 207;
        return response.status >= 200 && response.status < 300 && !partly ? null : failed(response);
      },
    );
    if (failure === null || failure.conditions.includes('resource-must-be-null')) return failure;
    refusal = failure;
    if (![207, 400, 403, 409, 415, 422, 424].includes(failure.status)) break;
  }
  return refusal;
}

function bodyOf(wanted: NewCollection, method: Method): string {
  const calendar = wanted.kind === 'calendar';
  const props = [
    `<D:displayname>${escapeXml(wanted.name)}</D:displayname>`,
    method === 'MKCOL'
      ? `<D:resourcetype><D:collection/>${calendar ? '<C:calendar/>' : '<R:addressbook/>'}</D:resourcetype>`
      : '',
    calendar && wanted.components.length > 0
      ? `<C:supported-calendar-component-set>${wanted.components.map((one) => `<C:comp name="${one}"/>`).join('')}</C:supported-calendar-component-set>`
      : '',
    calendar && wanted.color !== null ? `<A:calendar-color>${escapeXml(wanted.color)}</A:calendar-color>` : '',
    calendar && wanted.order !== null ? `<A:calendar-order>${wanted.order}</A:calendar-order>` : '',
    calendar && wanted.timezone !== null
      ? `<C:calendar-timezone>${escapeXml(wanted.timezone)}</C:calendar-timezone>`
      : '',
    wanted.description === null
      ? ''
      : calendar
        ? `<C:calendar-description>${escapeXml(wanted.description)}</C:calendar-description>`
        : `<R:addressbook-description>${escapeXml(wanted.description)}</R:addressbook-description>`,
  ].join('');
  const root = method === 'MKCALENDAR' ? 'C:mkcalendar' : 'D:mkcol';
  return `<?xml version="1.0" encoding="utf-8"?><${root} ${XMLNS}><D:set><D:prop>${props}</D:prop></D:set></${root}>`;
}
