import { Width } from '../../src/transfer/width.js';

describe('how many folders are worked on at once', () => {
  it('begins low and never goes above what is allowed', () => {
    const width = new Width();
    expect([1, 3, 8].map((most) => width.of(most))).toEqual([1, 3, 4]);
  });

  it('grows while the process has time left, and not beyond', () => {
    const width = new Width(() => 0.5);
    for (let n = 0; n < 9; n++) width.look(6);
    expect(width.of(8)).toBe(6);
  });

  it('does not grow while the process is busy', () => {
    const width = new Width(() => 0.7);
    for (let n = 0; n < 9; n++) width.look(6);
    expect(width.of(8)).toBe(4);
  });

  it('halves when a server breaks off, and then grows no more for a while', () => {
    const width = new Width(() => 0);
    width.halve();
    width.look(8);
    expect(width.of(8)).toBe(2);
    for (let n = 0; n < 5; n++) width.halve();
    expect(width.of(8)).toBe(1);
  });

  it('reads two batches of a folder at once only where there are connections to spare', () => {
    const width = new Width();
    width.working = 3;
    expect(width.readAhead(4)).toBe(1);
    width.working = 1;
    expect(width.readAhead(4)).toBe(2);
    expect(width.readAhead(1)).toBe(1);
  });
});
