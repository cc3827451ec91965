import { createServer, type ServerResponse } from 'node:http';
import { EwsTransport, type TransportOptions } from '../../../src/protocols/ews/transport.js';
import { POLICY } from '../../contracts/closed-network.js';
import type { Listeners } from '../../fixtures/listeners.js';

const NAMESPACES =
  'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"';

/** A SOAP answer with these response messages. */
export function soap(operation: string, ...messages: string[]): string {
  return `<s:Envelope ${NAMESPACES}><s:Body><m:${operation}Response><m:ResponseMessages>${messages.join('')}</m:ResponseMessages></m:${operation}Response></s:Body></s:Envelope>`;
}

export const answerXml = (response: ServerResponse, xml: string): void =>
  void response.writeHead(200, { 'content-type': 'text/xml; charset=utf-8' }).end(xml);

/** A transport to a server that answers each request, whole, in the test's way. */
export async function transportTo(
  listeners: Listeners,
  answer: (response: ServerResponse, authorization: string, body: string) => void | Promise<void>,
  options: Partial<TransportOptions> = {},
): Promise<EwsTransport> {
  const { port } = await listeners.listen(
    createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => void answer(response, request.headers.authorization ?? '', body));
    }),
  );
  return new EwsTransport({
    url: new URL(`http://127.0.0.1:${port}/EWS/Exchange.asmx`),
    login: async () => ({ kind: 'password', user: 'anna', password: 'secret' }),
    mailbox: { by: 'own' },
    policy: POLICY,
    maxConnections: 4,
    ...options,
  });
}
