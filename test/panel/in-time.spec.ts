import { inTime } from '../../src/panel/in-time.js';

test('an answer, a refusal, and silence', async () => {
  expect(await inTime(() => 'yes', 5_000)).toBe('yes');
  expect(await inTime(async () => 'later', 5_000)).toBe('later');
  await expect(inTime(() => Promise.reject(new Error('no')), 5_000)).rejects.toThrow('no');
  await expect(
    inTime(() => {
      throw new Error('at once');
    }, 5_000),
  ).rejects.toThrow('at once');
  await expect(inTime(() => new Promise(() => undefined), 20)).rejects.toThrow('did not answer in time');
});
