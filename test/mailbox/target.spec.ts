import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { isPublicAddress, parseHost } from '../../src/mailbox/address.js';
import { checkTarget, refuseTarget, type Security, type TargetPolicy } from '../../src/mailbox/target.js';

const INTERNET: TargetPolicy = { allowPrivate: false, allowPlaintext: false, ports: [143, 993, 443, 8443] };
const never = (): Promise<string[]> => Promise.reject(new Error('no name server was to be asked'));

function codeOf(host: string, port = 993, security: Security = 'tls', policy = INTERNET): string | null {
  return checkTarget({ host, port, security }, policy)?.code ?? null;
}

/** Cases 1 to 3 of SECURITY.md, and every other way to write such an address. */
const NOT_PUBLIC = [
  ...['127.0.0.1', 'localhost', 'LOCALHOST', 'localhost.', 'a.localhost', '::1', '[::1]', '0', '0.0.0.0', '::', '[::]'],
  ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '100.127.255.255'],
  ...[
    '169.254.169.254',
    'fc00::1',
    'fd12:3456:789a::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '224.0.0.1',
    '255.255.255.255',
  ],
  ...['127.1', '127.0.1', '0x7f000001', '0x7f.1', '0x7f.0.0.0x1', '2130706433', '017700000001', '0177.0.0.1'],
  ...['127.0.0.1.', '127.1.', '１２７.0.0.1', '①②⑦.0.0.1', '0x7F000001', '00000177.0.0.1', '2852039166', '0xa9fea9fe'],
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '[::ffff:10.0.0.1]', '0:0:0:0:0:ffff:7f00:0001', '::127.0.0.1', '::7f00:1'],
  ...['64:ff9b::127.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '::ffff:0:127.0.0.1'],
  ...['2002:7f00:1::', '2002:a00:1::1', '2001:0:4136:e378:8000:63bf:80ff:fffe', '2001:db8::1', '3fff::1', '5f00::1'],
  ...['2606:4700::5efe:10.0.0.1', '2606:4700::200:5efe:127.0.0.1', '100::1', '2001:2::1', '2001:10::1', '4000::1'],
  ...['192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '192.0.0.1', '192.88.99.1', '240.0.0.1'],
];

describe('which targets may be dialled', () => {
  it.each(NOT_PUBLIC)('refuses %s, which is not on the public internet', (host) => {
    expect(codeOf(host)).toBe('TARGET_NOT_ALLOWED');
  });

  it.each(['imap.gmail.com', 'IMAP.Example.COM', 'mail.example.com.', 'bücher.example', '9.9.9.9', '0x09.9.9.9'])(
    'lets %s through',
    (host) => expect(codeOf(host)).toBeNull(),
  );

  it.each(['2606:4700::1111', '[2606:4700::1111]', '64:ff9b::9.9.9.9', '::ffff:9.9.9.9'])(
    'lets the public IPv6 address %s through',
    (host) => expect(codeOf(host)).toBeNull(),
  );

  it.each([
    ...[
      '',
      ' ',
      'a b',
      'a\r\nb',
      'host/path',
      'user@host',
      'host:993',
      'http://host',
      'a?b',
      'a#b',
      '1.2.3.4.5',
      '256.1.1.1',
    ],
    ...[
      'fe80::1%eth0',
      '[fe80::1%25eth0]',
      '[::1',
      '::1]',
      '[127.0.0.1]',
      '127.0.0.1%00',
      '%31%32%37.0.0.1',
      '0x100000000',
    ],
    ...[
      '-a.example',
      `${'a'.repeat(64)}.example`,
      `${'a.'.repeat(130)}example`,
      'a..b',
      '.',
      'a\u0000b',
      'a\\b',
      ':::',
    ],
  ])('does not take %j for a host', (host) => {
    expect(codeOf(host)).toBe('VALIDATION');
  });

  it.each([22, 25, 6379])('refuses port %d', (port) =>
    expect(codeOf('mail.example.com', port)).toBe('PORT_NOT_ALLOWED'),
  );

  it.each([0, -1, 65_536, 1.5, Number.NaN])('does not take %d for a port', (port) => {
    expect(codeOf('mail.example.com', port)).toBe('VALIDATION');
  });

  it('gives the same answer for every port of a blocked address', () => {
    const answers = [993, 143, 22, 6379].map((port) =>
      checkTarget({ host: '10.0.0.1', port, security: 'tls' }, INTERNET),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  it('refuses a connection in clear unless the operator allows it', () => {
    expect(codeOf('mail.example.com', 143, 'none')).toBe('TLS_REQUIRED');
    expect(codeOf('mail.example.com', 143, 'none', { ...INTERNET, allowPlaintext: true })).toBeNull();
  });

  it('lets the ranges through that the operator allows, and no others', () => {
    const policy = { ...INTERNET, allowedRanges: ['10.1.0.0/16', 'fd00:1::/32'] };
    expect(codeOf('10.1.2.3', 993, 'tls', policy)).toBeNull();
    expect(codeOf('::ffff:10.1.2.3', 993, 'tls', policy)).toBeNull();
    expect(codeOf('fd00:1::5', 993, 'tls', policy)).toBeNull();
    expect(codeOf('10.2.0.1', 993, 'tls', policy)).toBe('TARGET_NOT_ALLOWED');
    expect(codeOf('127.0.0.1', 993, 'tls', policy)).toBe('TARGET_NOT_ALLOWED');
  });

  it('lets any address and any port through in a closed network', () => {
    expect(codeOf('127.0.0.1', 31_143, 'tls', { ...INTERNET, allowPrivate: true })).toBeNull();
  });
});

describe('what a name resolves to', () => {
  const target = { host: 'mail.example.com', port: 993, security: 'tls' } as const;

  it.each([
    ['a private address', ['10.0.0.1']],
    ['a public and a private one', ['9.9.9.9', '127.0.0.1']],
    ['a private one that hides in IPv6', ['9.9.9.9', '::ffff:169.254.169.254']],
    ['an address of this network with a zone', ['fe80::1%eth0']],
    ['what is no address at all', ['9.9.9.9', 'nonsense']],
  ])('is refused when it is %s', async (_, addresses) => {
    expect((await refuseTarget(target, INTERNET, async () => addresses))?.code).toBe('TARGET_NOT_ALLOWED');
  });

  it('is allowed when all of it is public', async () => {
    expect(await refuseTarget(target, INTERNET, async () => ['9.9.9.9', '2606:4700::1111'])).toBeNull();
  });

  it('is left to the worker when there is no answer', async () => {
    expect(await refuseTarget(target, INTERNET, () => Promise.reject(new Error('ENOTFOUND')))).toBeNull();
  });

  it('is not asked for when the port alone decides', async () => {
    expect((await refuseTarget({ ...target, port: 22 }, INTERNET, never))?.code).toBe('PORT_NOT_ALLOWED');
  });
});

describe('every private IPv4 address in every spelling', () => {
  const PRIVATE_BLOCKS = [
    '10.0.0.0/8',
    '127.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '169.254.0.0/16',
    '100.64.0.0/10',
    '0.0.0.0/8',
  ];
  const privateAddress = fc
    .tuple(fc.constantFrom(...PRIVATE_BLOCKS), fc.integer({ min: 0, max: 0xffffffff }))
    .map(([block, random]) => {
      const [network, bits] = ipaddr.parseCIDR(block);
      const base = network.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0);
      return base + (random % 2 ** (32 - bits));
    });
  const part = (value: number, base: number): string =>
    base === 8 ? `0${value.toString(8)}` : base === 16 ? `0x${value.toString(16)}` : String(value);
  const spelled = fc
    .tuple(
      privateAddress,
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.constantFrom(8, 10, 16), { minLength: 4, maxLength: 4 }),
    )
    .map(([value, parts, bases]) => {
      const words: string[] = [];
      for (let i = 0; i < parts - 1; i++) words.push(part((value >>> (24 - 8 * i)) & 0xff, bases[i]!));
      words.push(part(value % 2 ** (8 * (5 - parts)), bases[parts - 1]!));
      return words.join('.');
    });
  const hex = (value: number): string => `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
  const holders: ((value: number) => string)[] = [
    (v) => `::ffff:${hex(v)}`,
    (v) => `::${hex(v)}`,
    (v) => `64:ff9b::${hex(v)}`,
    (v) => `::ffff:0:${hex(v)}`,
    (v) => `2002:${hex(v)}::1`,
    (v) => `2001:0:${hex(v)}::1`,
    (v) => `2001:0:0909:0909:0:0:${hex(~v >>> 0)}`,
    (v) => `2606:4700::5efe:${hex(v)}`,
  ];

  it('is refused', () => {
    fc.assert(
      fc.property(spelled, (host) => codeOf(host) === 'TARGET_NOT_ALLOWED'),
      { numRuns: 2_000 },
    );
  });

  it('is refused inside an IPv6 address', () => {
    fc.assert(
      fc.property(
        privateAddress,
        fc.constantFrom(...holders),
        (value, hold) => codeOf(hold(value)) === 'TARGET_NOT_ALLOWED',
      ),
      { numRuns: 2_000 },
    );
  });

  it('never passes as a name: what is let through is a public address or cannot be read as one', () => {
    const characters = fc.constantFrom(...'0123456789abcdefx.:[]%１２７。-');
    fc.assert(
      fc.property(fc.string({ unit: characters, maxLength: 20 }), (text) => {
        const host = parseHost(text);
        if (host === null) return true;
        if (host.is === 'address')
          return codeOf(text) === (isPublicAddress(host.address) ? null : 'TARGET_NOT_ALLOWED');
        return !ipaddr.IPv4.isValid(host.name) && !ipaddr.IPv6.isValid(host.name);
      }),
      { numRuns: 5_000 },
    );
  });
});
