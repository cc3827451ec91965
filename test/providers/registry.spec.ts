import { ITEM_KINDS } from '../../src/mailbox/kinds.js';
import { checkTarget } from '../../src/mailbox/target.js';
import {
  davUrlsOf,
  isAvailable,
  matchProvider,
  providerFor,
  providerOfHost,
  PROVIDERS,
  serverFor,
} from '../../src/providers/registry.js';

const INTERNET = { allowPrivate: false, allowPlaintext: false, ports: [143, 993, 443, 8443] };

it('the list shows the providers in the order customers know', () => {
  expect(PROVIDERS.map(({ name }) => name)).toEqual([
    ...[
      'Microsoft Exchange',
      'Microsoft 365',
      'Gmail',
      'Outlook.com',
      'Yahoo',
      'iCloud',
      'AOL',
      'GMX',
      'Zoho',
      'Fastmail',
      'mailbox.org',
    ],
    ...[
      'SmarterMail',
      'Zimbra',
      'Kerio Connect',
      'MailEnable',
      'IceWarp',
      'Open-Xchange',
      'SOGo',
      'Nextcloud',
      'Other (IMAP)',
      'Other (calendar and contact files)',
      'POP',
    ],
  ]);
  expect(new Set(PROVIDERS.map(({ id }) => id)).size).toBe(PROVIDERS.length);
});

describe.each(PROVIDERS.map((provider) => [provider.id, provider] as const))('%s', (id, provider) => {
  it('is found by its id', () => expect(providerFor(id)).toBe(provider));

  it('says why not and what else, exactly when it cannot be moved', () => {
    expect(provider.words.unavailable === undefined).toBe(isAvailable(provider));
  });

  it('promises what there is a source for: mail, and more where its address of calendars is known or asked for', () => {
    const more = ITEM_KINDS.filter((kind) => kind !== 'mail' && provider.gives[kind] === 'yes');
    const bySource = ['ews', 'files'].includes(provider.comes) || provider.dav !== undefined || provider.id === 'imap';
    if (more.length > 0) expect(bySource).toBe(true);
    const hasMail = provider.comes === 'imap' || provider.comes === 'ews';
    if (isAvailable(provider)) expect(provider.gives.mail).toBe(hasMail ? 'yes' : 'not-offered');
    if (isAvailable(provider) && !hasMail) expect(more).not.toEqual([]);
  });

  it('names calendars and contacts only where they may be dialled, encrypted', () => {
    for (const url of Object.values(davUrlsOf(provider, 'mail.example.com') ?? {}))
      expect(checkTarget({ host: url.hostname, port: 443, security: 'tls' }, INTERNET)).toBeNull();
    if (typeof provider.dav === 'object')
      for (const url of Object.values(provider.dav)) expect(url).toMatch(/^https:\/\/[a-z.]+\/$/);
  });

  it('names only servers that may be dialled, encrypted', () => {
    for (const { host, port, security } of provider.servers)
      expect(checkTarget({ host: host ?? 'mail.example.com', port, security }, INTERNET)).toBeNull();
  });

  it('knows its own hosts, so that a refusal there is understood', () => {
    for (const server of provider.servers)
      if (server.host !== null) expect(providerOfHost(server.host)?.refusalMeans).toBe(provider.refusalMeans);
  });

  it('asks for the server where it has none of its own', () => {
    const reached = isAvailable(provider) && provider.comes !== 'files';
    if (reached && serverFor(provider) === null) expect(provider.asksForServer).toBe(true);
  });

  it('links to help over https only', () => expect(provider.help ?? 'https://').toMatch(/^https:\/\//));

  it('holds plain text without markup', () => expect(JSON.stringify(provider.words)).not.toMatch(/[<>&]\w/));
});

describe('whose mail it is', () => {
  it.each([
    ['gmail.com', [], 'gmail'],
    ['GoogleMail.com.', [], 'gmail'],
    ['company.example', ['aspmx.l.google.com.', 'alt1.aspmx.l.google.com'], 'gmail'],
    ['company.example', ['company-example.mail.protection.outlook.com'], 'microsoft365'],
    ['company.example', ['company-example.a-v1.mx.microsoft'], 'microsoft365'],
    ['hotmail.com', ['hotmail-com.olc.protection.outlook.com'], 'outlook'],
    ['family.example', ['family.olc.protection.outlook.com'], 'outlook'],
    ['company.example', ['mx01.mail.icloud.com'], 'icloud'],
    ['web.de', [], 'gmx'],
    ['company.example', ['in1-smtp.messagingengine.com'], 'fastmail'],
    ['aol.com', ['mx-aol.mail.gm0.yahoodns.net'], 'aol'],
  ])('%s with MX %j is %s', (domain, mx, id) => {
    expect(matchProvider({ domain, mx })?.id).toBe(id);
  });

  it.each([
    ['notgmail.com', []],
    ['gmail.com.evil.example', ['mx.evilgoogle.com']],
    ['company.example', ['mail.company.example']],
    ['', []],
  ])('%s with MX %j is nobody we know', (domain, mx) => {
    expect(matchProvider({ domain, mx })).toBeNull();
  });
});

describe('which server it is', () => {
  const hostOf = (id: string, domain: string, mx: string[] = []): string | undefined =>
    serverFor(providerFor(id)!, { domain, mx })?.host;

  it('follows the domain, then the MX, then the rule', () => {
    expect(hostOf('gmx', 'web.de')).toBe('imap.web.de');
    expect(hostOf('gmx', 'gmx.com')).toBe('imap.gmx.com');
    expect(hostOf('gmx', 'gmx.at')).toBe('imap.gmx.net');
    expect(hostOf('zoho', 'zohomail.eu')).toBe('imap.zoho.eu');
    expect(hostOf('zoho', 'company.example', ['mx.zoho.in'])).toBe('imappro.zoho.in');
    expect(hostOf('zoho', 'company.example')).toBe('imappro.zoho.com');
    expect(hostOf('zimbra', 'company.example')).toBeUndefined();
  });

  it('is the one that shows more than 10,000 messages of a folder, at Yahoo', () => {
    expect(hostOf('yahoo', 'yahoo.com')).toBe('export.imap.mail.yahoo.com');
  });
});
