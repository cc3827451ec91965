import { describe, expect, it } from '@jest/globals';
import { Pace } from '../../../src/protocols/imap/traits.js';

const never = new Promise<never>(() => undefined);

describe('the pace of an account', () => {
  it('slows down twofold while the server says [THROTTLED] at the end of an OK, up to 4 seconds; then it is time to come back later', () => {
    const pace = new Pace();
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      expect(pace.exhausted).toBe(false);
      pace.noticed('FETCH completed [THROTTLED]', null);
      pauses.push(pace.pause);
    }
    pace.noticed('FETCH completed [THROTTLED]', null);
    expect(pace.exhausted).toBe(true);
    expect(pauses.slice(0, 4)).toEqual([50, 100, 200, 400]);
    expect(pauses.at(-1)).toBe(4_000);
  });

  it('eases off slowly when the server says nothing of it, and ends', () => {
    const pace = new Pace();
    for (let i = 0; i < 5; i++) pace.noticed('done', 'THROTTLED');
    pace.noticed('done', null);
    expect(pace.pause).toBe(720);
    for (let i = 0; i < 60; i++) pace.noticed('the word [THROTTLED] inside', null);
    expect(pace.pause).toBe(0);
  });

  it('waits no longer than the connection lives', async () => {
    const pace = new Pace();
    for (let i = 0; i < 12; i++) pace.noticed('[THROTTLED]', null);
    await pace.wait(Promise.reject(new Error('gone')));
    const none = new Pace();
    await none.wait(never);
  });
});
