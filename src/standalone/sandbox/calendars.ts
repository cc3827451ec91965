import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { type RadicaleServer, type RadicaleTls, startRadicale } from '../infra/radicale.js';
import { type SampleCollection, sampleCalendars } from './sample-calendars.js';

/** Names the text of the sample: another text is written into fresh accounts. */
const FILLED = 'filled-1';
/** What a new account at the hoster has from the first day. */
const FRESH: readonly SampleCollection[] = [
  { slug: 'calendar', name: 'Calendar', components: ['VEVENT'], color: null, objects: [] },
  { slug: 'tasks', name: 'Tasks', components: ['VTODO'], color: null, objects: [] },
  { slug: 'notes', name: 'Notes', components: ['VJOURNAL'], color: null, objects: [] },
  { slug: 'contacts', name: 'Contacts', components: null, color: null, objects: [] },
];
/** Of the sample, for everybody who does not have all of it. */
const SHARE = 0.15;

export interface CalendarServers {
  readonly old: RadicaleServer;
  readonly hoster: RadicaleServer;
}
export interface CalendarPeople {
  readonly old: readonly string[];
  /** Of the old ones: has all of the sample. */
  readonly full: string;
  readonly hoster: readonly string[];
  readonly password: string;
  /** Opens everybody's at the hoster's. */
  readonly master: { readonly name: string; readonly password: string };
}

/**
 * CalDAV and CardDAV beside both mail servers, with the certificates of those: the old provider's with the sample, the hoster's with what
 * everybody has. What people did in them survives a restart.
 * @param dir of the sandbox. @throws Error with one line that says what to install.
 */
export async function startCalendars(
  dir: string,
  mail: { readonly oldDir: string; readonly hosterDir: string },
  people: CalendarPeople,
  say: (line: string) => void,
): Promise<CalendarServers> {
  const users = (names: readonly string[]) => names.map((user) => ({ user, password: people.password }));
  const [oldTls, hosterTls] = [tlsOf(mail.oldDir), tlsOf(mail.hosterDir)];
  const old = await startRadicale({ dir, say, name: 'old', tls: oldTls, users: users(people.old) });
  const servers = [old];
  try {
    const { master } = people;
    const hoster = await startRadicale({
      dir,
      say,
      name: 'hoster',
      tls: hosterTls,
      users: users(people.hoster),
      master,
    });
    servers.push(hoster);
    const stamp = (side: string, user: string): string => join(dir, `radicale-${side}`, `${FILLED}-${user}`);
    for (const user of people.old)
      await fillOnce(new Account(old, oldTls, user, people.password), stamp('old', user), () =>
        sampleCalendars(user, user === people.full ? 1 : SHARE),
      );
    for (const user of people.hoster)
      await fillOnce(new Account(hoster, hosterTls, user, people.password), stamp('hoster', user), () => FRESH);
    return { old, hoster };
  } catch (error) {
    await Promise.allSettled(servers.map((server) => server.stop()));
    throw error;
  }
}

/** Of a mail server of the sandbox: its calendars are on the same machine. */
function tlsOf(dir: string): RadicaleTls {
  return { certFile: join(dir, 'server.crt'), keyFile: join(dir, 'server.key'), caFile: join(dir, 'ca.crt') };
}

/** Writes the collections, once; a filling that was cut short begins again: each object has its name. */
async function fillOnce(account: Account, stamp: string, sample: () => readonly SampleCollection[]): Promise<void> {
  if (existsSync(stamp)) return;
  // Radicale makes a person's home at the first sign-in.
  await account.ask('PROPFIND', '', null, [207]);
  for (const collection of sample()) await account.fill(collection);
  writeFileSync(stamp, '');
}

class Account {
  private readonly ca: string;

  constructor(
    private readonly server: RadicaleServer,
    { caFile }: RadicaleTls,
    private readonly user: string,
    private readonly password: string,
  ) {
    this.ca = readFileSync(caFile, 'utf8');
  }

  async fill({ slug, name, components, color, objects }: SampleCollection): Promise<void> {
    // 409: it is there from a filling that was cut short.
    await this.ask(
      components === null ? 'MKCOL' : 'MKCALENDAR',
      `${slug}/`,
      madeOf(name, components, color),
      [201, 409],
    );
    for (const { file, text } of objects) await this.ask('PUT', `${slug}/${file}`, text, [201, 204]);
  }

  /** @throws Error for another status. */
  ask(method: string, path: string, body: string | null, expected: readonly number[]): Promise<void> {
    const { user, password, ca } = this;
    return new Promise((done, failed) => {
      const asked = request(
        new URL(`${encodeURIComponent(user)}/${path}`, this.server.url),
        {
          method,
          ca,
          auth: `${user}:${password}`,
          headers: {
            depth: '0',
            'content-type':
              method !== 'PUT' ? 'application/xml' : path.endsWith('.vcf') ? 'text/vcard' : 'text/calendar',
          },
        },
        (answer) => {
          answer.resume();
          const status = answer.statusCode ?? 0;
          if (expected.includes(status)) done();
          else failed(new Error(`the sandbox's calendars cannot be filled: ${method} ${path} was answered ${status}`));
        },
      );
      asked.on('error', failed);
      asked.end(body ?? undefined);
    });
  }
}

function madeOf(name: string, components: SampleCollection['components'], color: string | null): string {
  const ns = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:R="urn:ietf:params:xml:ns:carddav"';
  const shown = `<D:displayname>${name}</D:displayname>`;
  if (components === null)
    return `<D:mkcol ${ns}><D:set><D:prop><D:resourcetype><D:collection/><R:addressbook/></D:resourcetype>${shown}</D:prop></D:set></D:mkcol>`;
  const set = components.map((one) => `<C:comp name="${one}"/>`).join('');
  const tint =
    color === null ? '' : `<A:calendar-color xmlns:A="http://apple.com/ns/ical/">${color}</A:calendar-color>`;
  return `<C:mkcalendar ${ns}><D:set><D:prop>${shown}${tint}<C:supported-calendar-component-set>${set}</C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>`;
}
