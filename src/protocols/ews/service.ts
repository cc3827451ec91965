import { ews } from './library.js';
import { parseXml } from '../xml.js';
import { type ResponseMessage, responseMessages } from './answer.js';
import { VERSION } from './envelope.js';
import { EwsFailure } from './failure.js';
import { ANSWER_LIMITS } from './limits.js';
import { collect, type EwsTransport } from './transport.js';

export type Library = InstanceType<typeof ews.ExchangeService>;

/**
 * One request that ews-javascript-api writes: views, shapes, ids, versions and impersonation are its business. The answer is
 * read by us and never given to it: what it does with one that is not quite as it expects ranges from dropping items to ending
 * the process. Nothing it throws or forgets leaves this function.
 * @param operation as the request's element is called
 * @param expected response messages
 * @param write one call of the library, that makes one request
 * @throws EwsFailure; ConnectError; XmlError; the signal's reason
 */
export function askByLibrary(
  transport: EwsTransport,
  operation: string,
  expected: number,
  signal: AbortSignal,
  write: (service: Library) => Promise<unknown>,
): Promise<ResponseMessage[]> {
  return new Promise((resolve, reject) => {
    let sent = false;
    const unsent = (cause?: unknown): void => {
      if (!sent) reject(new EwsFailure('not-understood', { cause: asError(cause) }));
    };
    const service = writerFor(transport, (envelope) => {
      if (sent) return;
      sent = true;
      const asked = transport.ask(operation, envelope, signal, async (response) => {
        const bytes = await response.body(ANSWER_LIMITS.maxBytes, collect);
        return responseMessages(parseXml(bytes, ANSWER_LIMITS), operation, expected, response.status);
      });
      asked.then(resolve, reject);
    });
    // Whatever the library makes of its request's end is of no interest, once it was sent.
    write(service).then(() => unsent(), unsent);
  });
}

function writerFor(transport: EwsTransport, send: (envelope: string) => void): Library {
  const service = new ews.ExchangeService(ews.ExchangeVersion[VERSION]);
  service.Url = new ews.Uri(transport.url.href);
  // Signing in is the transport's: the library only insists on having somebody.
  service.Credentials = new ews.WebCredentials('not', 'used');
  const { mailbox } = transport;
  if (mailbox.by === 'impersonation')
    service.ImpersonatedUserId = new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, mailbox.address);
  service.XHRApi = {
    apiName: 'writer',
    xhr: ({ data }: { data: string }) => {
      send(data);
      // No status 500: the library would look for a SOAP fault in it, and not survive a page.
      return Promise.reject({ status: 0, message: 'read elsewhere' });
    },
    xhrStream: () => Promise.reject(new Error('not used')),
    disconnect: () => undefined,
  } as unknown as Library['XHRApi'];
  return service;
}

/** The library rejects with what is no Error. */
function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  const { message } = (error ?? {}) as { message?: unknown };
  return new Error(typeof message === 'string' ? message : 'the library made no request');
}
