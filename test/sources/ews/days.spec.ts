import { day } from '../../../src/sources/ews/map/fields.js';

describe('a day that Exchange keeps as a moment', () => {
  it.each([
    ['midnight of UTC', '1980-01-01T00:00:00Z'],
    ['noon, nearly, as Exchange writes birthdays', '1980-01-01T11:59:00Z'],
    ['midnight in Berlin', '1979-12-31T23:00:00Z'],
    ['midnight in New York', '1980-01-01T05:00:00Z'],
    ['midnight in Honolulu', '1980-01-01T10:00:00Z'],
    ['midnight in Auckland, in winter', '1979-12-31T12:00:00Z'],
    ['midnight in Auckland, in summer', '1979-12-31T11:00:00Z'],
  ])('is that day: %s', (_, at) => {
    expect(day(new Date(at))).toBe('1980-01-01');
  });
});
