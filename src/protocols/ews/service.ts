import ews from 'ews-javascript-api';
import { parseXml } from '../xml.js';
import { type ResponseMessage, responseMessages } from './answer.js';
import { VERSION } from './envelope.js';
import { EwsFailure } from './failure.js';
import { ANSWER_LIMITS } from './limits.js';
import { collect, type EwsTransport } from './transport.js';

export type Library = InstanceType<typeof ews.ExchangeService>;

/** What the library read of an answer, and what the answer says word by word. */
export interface Answer<T> {
  readonly read: T;
  readonly messages: readonly ResponseMessage[];
}

/** The library reads an answer at once; when it did not after so long, it never will (ms). */
const LIBRARY_MS = 10_000;

/**
 * ews-javascript-api made safe: it writes the requests and reads the answers, everything between is ours. It gets only
 * answers that were checked before: HTTP 200, XML without a DOCTYPE, no SOAP fault, as many response messages as asked for.
 * Nothing it throws or forgets leaves this function.
 * @param operation as the request's element is called
 * @param expected response messages
 * @param read one call of the library, that makes one request
 * @throws EwsFailure; ConnectError; XmlError; the signal's reason
 */
export async function callLibrary<T>(
  transport: EwsTransport,
  operation: string,
  expected: number,
  signal: AbortSignal,
  read: (service: Library) => Promise<T>,
): Promise<Answer<T>> {
  let messages: ResponseMessage[] = [];
  let trouble: { readonly error: unknown } | null = null;
  const silence = new Silence();
  const service = serviceFor(transport, async (envelope) => {
    try {
      const text = await transport.ask(operation, envelope, signal, async (response) => {
        const bytes = await response.body(ANSWER_LIMITS.maxBytes, collect);
        messages = responseMessages(parseXml(bytes, ANSWER_LIMITS), operation, expected, response.status);
        return bytes.toString('utf8');
      });
      silence.begin();
      return text;
    } catch (error) {
      trouble = { error };
      silence.end(error);
      throw error;
    }
  });
  const reading = read(service);
  // Whatever becomes of it later is nobody's unhandled rejection.
  reading.catch(() => undefined);
  try {
    return { read: await Promise.race([reading, silence.ended]), messages };
  } catch (error) {
    if (trouble !== null) throw (trouble as { readonly error: unknown }).error;
    if (error instanceof EwsFailure) throw error;
    throw new EwsFailure('not-understood', { status: 200, cause: asError(error) });
  } finally {
    silence.stop();
  }
}

/** Ends the wait for a library that keeps silent: at once where the request failed, else some time after the answer. */
class Silence {
  readonly ended: Promise<never>;
  private reject: (error: unknown) => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor() {
    this.ended = new Promise((_, reject) => (this.reject = reject));
    this.ended.catch(() => undefined);
  }
  begin(): void {
    this.timer = setTimeout(() => this.end(new EwsFailure('not-understood', { status: 200 })), LIBRARY_MS);
  }
  end(error: unknown): void {
    this.reject(error);
  }
  stop(): void {
    clearTimeout(this.timer);
  }
}

function serviceFor(transport: EwsTransport, send: (envelope: string) => Promise<string>): Library {
  const service = new ews.ExchangeService(ews.ExchangeVersion[VERSION]);
  service.Url = new ews.Uri(transport.url.href);
  // Signing in is the transport's: the library only insists on having somebody.
  service.Credentials = new ews.WebCredentials('not', 'used');
  const { mailbox } = transport;
  if (mailbox.by === 'impersonation')
    service.ImpersonatedUserId = new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, mailbox.address);
  service.XHRApi = {
    apiName: 'guarded',
    xhr: async ({ data }: { data: string }) => {
      try {
        const responseText = await send(data);
        const nothing = (): string => '';
        return { status: 200, responseText, headers: {}, getResponseHeader: nothing, getAllResponseHeaders: nothing };
      } catch {
        // No 500: the library would look for a SOAP fault in it, and not survive a page.
        throw { status: 0, message: 'failed' };
      }
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
  return new Error(typeof message === 'string' ? message : 'the library failed');
}
