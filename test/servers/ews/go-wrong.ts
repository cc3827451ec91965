/** One request that goes wrong, in the way the test wants. */
import type { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { XmlElement } from '../../../src/protocols/xml.js';
import type { Answering } from './answering.js';
import type { BackOffs, Fault } from './faults.js';
import { EwsError, expectedMessages, failure, type Part, responseOf } from './operations.js';
import type { Mailbox } from './store.js';
import { SOAP } from './xml.js';

export interface WrongContext {
  readonly answering: Answering;
  readonly backOffs: BackOffs;
  /** What would have been answered. */
  readonly right: () => Part[] | EwsError;
  readonly challenge: (response: ServerResponse) => void;
}

export async function goWrong(
  fault: Fault,
  response: ServerResponse,
  operation: string,
  asked: XmlElement,
  mailbox: Mailbox,
  { answering, backOffs, right, challenge }: WrongContext,
): Promise<void> {
  const count = expectedMessages(asked);
  switch (fault.is) {
    case 'busy-503':
      backOffs.tell(mailbox.address, fault.seconds * 1_000);
      response.writeHead(503, { 'retry-after': String(fault.seconds), 'content-type': 'text/html' }).end('busy');
      return;
    case 'busy-500':
      backOffs.tell(mailbox.address, fault.ms);
      return answering.fault(
        response,
        'ErrorServerBusy',
        'The server cannot service this request right now.',
        fault.ms,
      );
    case 'busy-200': {
      backOffs.tell(mailbox.address, fault.ms);
      const values = { BackOffMilliseconds: String(fault.ms), InnerErrorResponseCode: 'ErrorServerBusy' };
      const one = failure(
        operation,
        'ErrorInternalServerError',
        'An internal server error occurred. Try again later.',
        values,
      );
      return answering.send(
        response,
        200,
        answering.enveloped(
          responseOf(
            operation,
            Array.from({ length: count }, () => one),
          ),
        ),
        operation,
      );
    }
    case 'short-batch': {
      if (fault.ms !== undefined) backOffs.tell(mailbox.address, fault.ms);
      const values: Record<string, string> = fault.ms === undefined ? {} : { BackOffMilliseconds: String(fault.ms) };
      const one = failure(operation, 'ErrorServerBusy', 'The server cannot service this request right now.', values);
      return answering.send(response, 200, answering.enveloped(responseOf(operation, [one])), operation);
    }
    case 'one-message':
      return answering.send(
        response,
        200,
        answering.enveloped(responseOf(operation, [failure(operation, fault.code, 'Not now.')])),
        operation,
      );
    case 'page-500':
      return answering.page(response, 500);
    case 'page-200':
      return answering.page(response, 200);
    case 'unauthorized':
      return challenge(response);
    case 'hang':
      return;
    case 'redirect':
      response.writeHead(302, { location: fault.to, 'content-length': 0 }).end();
      return;
    case 'fault-200':
      return answering.fault(response, fault.code, 'Something is wrong.', undefined, 200);
    case 'fault-500':
      return answering.fault(response, fault.code, 'Something is wrong.');
    case 'unknown-code':
      return answering.send(
        response,
        200,
        answering.enveloped(
          responseOf(
            operation,
            Array.from({ length: count }, () => failure(operation, 'ErrorOfTomorrow', 'New.')),
          ),
        ),
      );
    case 'wrong-type':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
      return;
    case 'doctype':
      response.writeHead(200, { 'content-type': 'text/xml; charset=utf-8' });
      response.end(`<!DOCTYPE x [<!ENTITY a "b">]><s:Envelope xmlns:s="${SOAP}"><s:Body>&a;</s:Body></s:Envelope>`);
      return;
    case 'cut':
    case 'truncated-xml': {
      const half =
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:GetIt';
      response.writeHead(200, {
        'content-type': 'text/xml; charset=utf-8',
        'content-length': fault.is === 'cut' ? half.length + 1_000 : half.length,
      });
      if (fault.is === 'truncated-xml') return void response.end(half);
      response.write(half);
      await pause(5);
      response.destroy();
      return;
    }
    case 'other-items': {
      const whole = right();
      if (whole instanceof EwsError) return answering.fault(response, whole.code, whole.text);
      const other = (part: Part): Part =>
        typeof part === 'string' ? part.replaceAll('<t:ItemId Id="AAMk', '<t:ItemId Id="AAMz') : part;
      return answering.send(response, 200, answering.enveloped(whole.map(other)));
    }
  }
}
