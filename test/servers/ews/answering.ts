/** How answers are sent: whole, in pieces, as a fault, as a page. */
import type { ServerResponse } from 'node:http';
import type { Part } from './operations.js';
import type { SchemaLog } from './schema.js';
import type { Mime } from './store.js';
import { element, ERRORS, escapeXml, MESSAGES, SOAP, TYPES } from './xml.js';

const PAGE = '<!DOCTYPE html><html><head><title>Outlook</title></head><body><p>Sign in</p></body></html>';

export class Answering {
  constructor(private readonly schemas: SchemaLog) {}

  page(response: ServerResponse, status: number): void {
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
  }

  enveloped(parts: readonly Part[]): Part[] {
    const version =
      '<t:ServerVersionInfo MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="6" Version="V2017_07_11"/>';
    return [
      `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="${SOAP}" xmlns:t="${TYPES}" xmlns:m="${MESSAGES}"><s:Header>${version}</s:Header><s:Body>`,
      ...parts,
      '</s:Body></s:Envelope>',
    ];
  }

  async send(response: ServerResponse, status: number, parts: readonly Part[], operation?: string): Promise<void> {
    response.writeHead(status, { 'content-type': 'text/xml; charset=utf-8' });
    const short: string[] = [];
    for (const part of parts) {
      short.push(typeof part === 'string' ? part : 'TUlNRQ==');
      const written = typeof part === 'string' ? [Buffer.from(part)] : base64Of(part);
      for await (const chunk of written) {
        if (response.destroyed) return;
        if (!response.write(chunk)) await drained(response);
      }
    }
    response.end();
    if (operation !== undefined) this.schemas.add(`answer to ${operation}`, short.join(''));
  }

  fault(response: ServerResponse, code: string, text: string, backOff?: number, status = 500): Promise<void> {
    const wait = backOff === undefined ? '' : `<t:Value Name="BackOffMilliseconds">${backOff}</t:Value>`;
    const detail = [
      element('e:ResponseCode', { 'xmlns:e': ERRORS }, code),
      element('e:Message', { 'xmlns:e': ERRORS }, escapeXml(text)),
      wait === '' ? '' : `<t:MessageXml xmlns:t="${TYPES}">${wait}</t:MessageXml>`,
    ].join('');
    const fault = `<s:Fault><faultcode xmlns:a="${TYPES}">a:${code}</faultcode><faultstring xml:lang="en-US">${escapeXml(text)}</faultstring><detail>${detail}</detail></s:Fault>`;
    return this.send(response, status, [`<s:Envelope xmlns:s="${SOAP}"><s:Body>${fault}</s:Body></s:Envelope>`]);
  }
}

async function* base64Of(mime: Mime): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of mime.chunks()) {
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const usable = whole.length - (whole.length % 3);
    rest = Buffer.from(whole.subarray(usable));
    if (usable > 0) yield Buffer.from(whole.subarray(0, usable).toString('base64'));
  }
  if (rest.length > 0) yield Buffer.from(rest.toString('base64'));
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
