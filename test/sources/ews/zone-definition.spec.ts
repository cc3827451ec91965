import { offsetAt } from '../../../src/conversion/zones/offsets.js';
import { parseXml } from '../../../src/protocols/xml.js';
import { type EventZone, zoneOf } from '../../../src/sources/ews/map/zones.js';

const LIMITS = { maxBytes: 100_000, maxDepth: 12, maxElements: 500 };
const YEAR = new Date().getUTCFullYear();

const period = (id: string, bias: string): string =>
  `<Period Bias="${bias}" Name="${id === 'std' ? 'Standard' : 'Daylight'}" Id="${id}"/>`;
const change = (to: string, month: number, nth: number, time = 'PT2H', day = 'Sunday'): string =>
  `<RecurringDayTransition><To Kind="Period">${to}</To><TimeOffset>${time}</TimeOffset><Month>${month}</Month><DayOfWeek>${day}</DayOfWeek><Occurrence>${nth}</Occurrence></RecurringDayTransition>`;
const group = (id: number, ...changes: string[]): string =>
  `<TransitionsGroup Id="${id}">${changes.join('')}</TransitionsGroup>`;

/** A zone whose name says nothing. */
function defined(periods: string[], groups: string[] = [], transitions = ''): EventZone {
  const rules = groups.length === 0 ? '' : `<TransitionsGroups>${groups.join('')}</TransitionsGroups>`;
  const xml = `<StartTimeZone Id="Customized Time Zone" Name="Customized Time Zone"><Periods>${periods.join('')}</Periods>${rules}${transitions}</StartTimeZone>`;
  return zoneOf(parseXml(Buffer.from(xml), LIMITS));
}

/** Hours east of UTC in January and July. */
function halves({ iana }: EventZone): number[] {
  return [0, 6].map((month) => offsetAt(iana!, Date.UTC(YEAR, month, 15)) / 3_600);
}

describe('a zone that only its definition tells', () => {
  it('of the south has its summer in January, and one of the north in July', () => {
    const [chile, halifax] = [
      defined(
        [period('std', 'PT4H'), period('dlt', 'PT3H')],
        [group(0, change('std', 4, 1, 'PT0H'), change('dlt', 9, 1, 'PT0H'))],
      ),
      defined([period('std', 'PT4H'), period('dlt', 'PT3H')], [group(0, change('dlt', 3, 2), change('std', 11, 1))]),
    ];
    expect(halves(chile)).toEqual([-3, -4]);
    expect(halves(halifax)).toEqual([-4, -3]);
    expect(chile.isAlike && halifax.isAlike).toBe(true);
  });

  it('is the one that changes its clock on the same days', () => {
    const biases = [period('std', '-PT2H'), period('dlt', '-PT3H')];
    const finland = defined(biases, [group(0, change('dlt', 3, -1, 'PT3H'), change('std', 10, -1, 'PT4H'))]);
    const lastSunday = Date.UTC(YEAR, 2, 31 - new Date(Date.UTC(YEAR, 2, 31)).getUTCDay());
    // At 01:00 UTC, wherever in Europe.
    expect([0, 2].map((hours) => offsetAt(finland.iana!, lastSunday + hours * 3_600_000) / 3_600)).toEqual([2, 3]);
    // Southern Brazil as it was until 2019: nobody has these days any more, and no zone is near.
    const brazil = defined(
      [period('std', 'PT3H'), period('dlt', 'PT2H')],
      [group(0, change('std', 2, 3), change('dlt', 10, 3))],
    );
    expect(brazil.iana).toBeNull();
  });

  it('without changes has one offset the whole year, whatever else it names', () => {
    const plain = '<Transition><To Kind="Period">std</To></Transition>';
    for (const zone of [
      defined([period('std', 'PT7H')]),
      defined([period('std', 'PT7H'), period('dlt', 'PT6H')], [group(0, plain)]),
    ])
      expect(halves(zone)).toEqual([-7, -7]);
  });

  it('goes by the rules that hold last', () => {
    const groups = [
      group(0, change('dlt', 3, -1), change('std', 10, -1, 'PT3H')),
      group(1, '<Transition><To Kind="Period">std</To></Transition>'),
    ];
    const order = (first: number, then: number): string =>
      `<Transitions><Transition><To Kind="Group">${first}</To></Transition><AbsoluteDateTransition><To Kind="Group">${then}</To><DateTime>2011-01-01T00:00:00</DateTime></AbsoluteDateTransition></Transitions>`;
    const biases = [period('std', '-PT1H'), period('dlt', '-PT2H')];
    expect(halves(defined(biases, groups, order(0, 1)))).toEqual([1, 1]);
    expect(halves(defined(biases, groups, order(1, 0)))).toEqual([1, 2]);
  });

  it('with rules that cannot be read is taken for one of the north, and an offset of nobody is nobody’s', () => {
    const biases = [period('std', '-PT1H'), period('dlt', '-PT2H')];
    for (const odd of [change('dlt', 13, 1), change('dlt', 3, 9), change('dlt', 3, 1, 'PT2H', 'Someday'), ''])
      expect(halves(defined(biases, [group(0, odd, change('std', 10, -1))]))).toEqual([1, 2]);
    expect(halves(defined(biases))).toEqual([1, 2]);
    expect(defined([period('std', 'PT7H7M')]).iana).toBeNull();
  });
});
