import { createHmac } from 'node:crypto';
import type { EgressPolicy, Webhook } from '../../panel/options.js';
import { request } from '../../protocols/http/client.js';

/** For the whole exchange: whoever answers later gets it again (ms). */
const DEADLINE_MS = 10_000;
/** The answer's body is read for nothing but to be polite. */
const MAX_ANSWER_BYTES = 16 * 1024;

export interface WebhookEvent {
  /** The same in every attempt: the receiver knows by it what it has had. */
  readonly id: string;
  /** e.g. migration.finished */
  readonly type: string;
  readonly at: Date;
  readonly tenant: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The receiver answered, and not with 2xx. */
export class WebhookRefused extends Error {
  constructor(
    readonly status: number,
    /** True: it says that it does not want it, ever. */
    readonly forGood: boolean,
  ) {
    super(`answered with ${status}`);
    this.name = 'WebhookRefused';
  }
}

/**
 * POSTs one event, signed as Standard Webhooks says (standardwebhooks.com): `webhook-id`, `webhook-timestamp` (Unix
 * seconds of this attempt) and `webhook-signature` = 'v1,' + base64 of HMAC-SHA-256 over `id.timestamp.body`. Through the
 * same guard as everything that is dialled; a redirect is not followed. @throws ConnectError, WebhookRefused
 */
export async function postWebhook(
  { url, secret }: Webhook,
  { id, type, at, tenant, data }: WebhookEvent,
  egress: EgressPolicy,
  signal: AbortSignal,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const body = JSON.stringify({ id, type, at: at.toISOString(), tenant, data });
  const seconds = String(Math.floor(Date.now() / 1000));
  const { status } = await request(
    {
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Mailferry',
        'webhook-id': id,
        'webhook-timestamp': seconds,
        'webhook-signature': `v1,${signature(secret, `${id}.${seconds}.${body}`)}`,
      },
      body: Buffer.from(body, 'utf8'),
    },
    { ...egress, deadlineMs, maxBodyBytes: MAX_ANSWER_BYTES, maxRedirects: 0 },
    signal,
  );
  // 410: the receiver is gone, and says so.
  if (status < 200 || status > 299) throw new WebhookRefused(status, status === 410);
}

function signature(secret: string, text: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  return createHmac('sha256', key).update(text, 'utf8').digest('base64');
}
