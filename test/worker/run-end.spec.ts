import { describe, expect, it } from '@jest/globals';
import { TransferError } from '../../src/mailbox/transfer-error.js';
import { judgeError, type RunFacts } from '../../src/worker/run-end.js';

const facts: RunFacts = {
  unproven: false,
  fruitless: 0,
  openedBefore: true,
  access: 'imap-authzid',
  now: new Date('2026-01-01T00:00:00Z'),
};
const MINUTE = 60_000;
const error = (code: string, retryAfterMs?: number, side: 'source' | 'destination' = 'source') =>
  new TransferError('.', { side, scope: 'account', retry: 'later', code, retryAfterMs });
const after = (what: TransferError, fruitless: number, more: Partial<RunFacts> = {}) => {
  const { event, until, reason } = judgeError(what, { ...facts, fruitless, ...more });
  return { event, minutes: until ? (until.getTime() - facts.now.getTime()) / MINUTE : null, code: reason?.code };
};

describe('a server that cannot for now', () => {
  it('is asked again at the time it named, and later and later while nothing moves', () => {
    const busy = error('SERVER_BUSY', MINUTE / 2);
    expect([0, 1, 3, 8].map((fruitless) => after(busy, fruitless).minutes)).toEqual([0.5, 1, 4, 60]);
  });

  it('is given up in the end, some ten hours later, and not before', () => {
    expect(after(error('SERVER_BUSY', MINUTE / 2), 15).event).toBe('wait');
    expect(after(error('SERVER_BUSY', MINUTE / 2), 16).event).toBe('fail');
  });

  it('that names a limit of its own is waited for without end, as long as it says each time', () => {
    for (const code of ['THROTTLED', 'VOLUME_EXHAUSTED', 'TOO_MANY_CONNECTIONS', 'MAILBOX_BUSY'])
      expect(after(error(code, 5 * MINUTE), 100)).toEqual({ event: 'wait', minutes: 5, code });
  });

  it('that asks for it in the first run of settings nobody has tested is waited for as well', () => {
    expect(after(error('SERVER_BUSY', MINUTE), 0, { unproven: true }).event).toBe('wait');
    expect(after(error('CONNECT_FAILED'), 0, { unproven: true }).event).toBe('fail');
  });

  it('that knows the user and does not open the mailbox needs somebody after some tries', () => {
    const closed = error('ACCOUNT_UNAVAILABLE', 10 * MINUTE);
    expect([0, 1, 2].map((fruitless) => after(closed, fruitless).event)).toEqual(['wait', 'wait', 'wait']);
    expect(after(closed, 3)).toMatchObject({ event: 'need-action', code: 'ACCOUNT_UNAVAILABLE' });
  });

  it('is told from the old one when it is the new one', () => {
    expect(after(error('THROTTLED', MINUTE, 'destination'), 0)).toMatchObject({ code: 'DESTINATION_THROTTLED' });
  });
});
