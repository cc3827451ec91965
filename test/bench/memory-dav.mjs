// node memory-dav.mjs [contacts events]: a CalDAV and CardDAV server in memory, as fast as such a server can be. Prints its port.
//
// With numbers it holds so many cards and events to begin with. It knows what Mailferry and a plain loop ask, and nothing more.
import { createServer } from 'node:http';

const [contacts = 0, events = 0] = process.argv.slice(2).map(Number);
const NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:R="urn:ietf:params:xml:ns:carddav"';
/** Collections: name, kind, objects by path. */
const collections = new Map();
let tags = 0;

const text = (lines) => lines.map((line) => `${line}\r\n`).join('');
const event = (n) =>
  text([
    ...['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//bench//EN', 'BEGIN:VEVENT'],
    ...[`UID:event-${n}@old.test`, 'DTSTAMP:20240101T000000Z', `SUMMARY:Appointment number ${n}`],
    ...[`DTSTART:2025${String(1 + (n % 12)).padStart(2, '0')}10T100000Z`, 'DURATION:PT1H'],
    ...['LOCATION:Room 4', `DESCRIPTION:${'Some words about it. '.repeat(n % 20)}`],
    ...['BEGIN:VALARM', 'ACTION:DISPLAY', 'DESCRIPTION:Soon', 'TRIGGER:-PT15M', 'END:VALARM'],
    ...['END:VEVENT', 'END:VCALENDAR'],
  ]);
const card = (n) =>
  text([
    ...['BEGIN:VCARD', 'VERSION:3.0', `UID:card-${n}@old.test`, `FN:Person ${n}`, `N:${n};Person;;;`],
    ...[`EMAIL;TYPE=WORK:person${n}@example.com`, `TEL;TYPE=CELL:+49170${1_000_000 + n}`, 'ORG:Example'],
    ...[`NOTE:${'A remark. '.repeat(n % 30)}`, 'END:VCARD'],
  ]);

function make(path, name, kind) {
  collections.set(path, { name, kind, objects: new Map() });
  return collections.get(path);
}
make('/home/cal/', 'Calendar', 'calendar');
make('/home/book/', 'Contacts', 'addressbook');
const put = (collection, path, body) => collection.objects.set(path, { body, etag: `"${++tags}"` });
for (let n = 0; n < events; n++) put(collections.get('/home/cal/'), `/home/cal/${n}.ics`, event(n));
for (let n = 0; n < contacts; n++) put(collections.get('/home/book/'), `/home/book/${n}.vcf`, card(n));

const escape = (value) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const response = (href, props) =>
  `<D:response><D:href>${href}</D:href><D:propstat><D:prop>${props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`;
const HOMES =
  '<C:calendar-home-set><D:href>/home/</D:href></C:calendar-home-set><R:addressbook-home-set><D:href>/home/</D:href></R:addressbook-home-set>';
const typed = ({ name, kind }) =>
  `<D:resourcetype><D:collection/>${kind === 'calendar' ? '<C:calendar/>' : '<R:addressbook/>'}</D:resourcetype><D:displayname>${name}</D:displayname>${
    kind === 'calendar'
      ? '<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>'
      : ''
  }`;

const server = createServer((asked, answer) => {
  const parts = [];
  asked.on('data', (part) => parts.push(part));
  asked.on('end', () => {
    const body = Buffer.concat(parts).toString();
    const { method, url: path } = asked;
    const end = (status, headers = {}, said = '') => answer.writeHead(status, headers).end(said);
    const xml = (pieces) => {
      answer.writeHead(207, { 'content-type': 'application/xml' });
      answer.write(`<?xml version="1.0"?><D:multistatus ${NS}>`);
      for (const piece of pieces) answer.write(piece);
      answer.end('</D:multistatus>');
    };
    const collection = collections.get(path.slice(0, path.lastIndexOf('/') + 1));
    if (method === 'OPTIONS') return end(200, { dav: '1, 3, calendar-access, addressbook' });
    if (method === 'PROPFIND' && path === '/dav/') return xml([response('/dav/', HOMES)]);
    if (method === 'PROPFIND' && path === '/home/')
      return xml([...collections].map(([href, one]) => response(href, typed(one))));
    if (collection === undefined) return end(404);
    if (method === 'PROPFIND' && asked.headers.depth === '0') return xml([response(path, typed(collection))]);
    if (method === 'PUT') {
      const there = collection.objects.get(path);
      if (asked.headers['if-none-match'] === '*' && there !== undefined) return end(412);
      put(collection, path, body);
      return end(201, { etag: collection.objects.get(path).etag });
    }
    if (body.includes('multiget')) {
      const data = collection.kind === 'calendar' ? 'C:calendar-data' : 'R:address-data';
      return xml(
        [...body.matchAll(/href>([^<]+)</g)].flatMap(([, href]) => {
          const one = collection.objects.get(href);
          return one === undefined
            ? []
            : [response(href, `<D:getetag>${one.etag}</D:getetag><${data}>${escape(one.body)}</${data}>`)];
        }),
      );
    }
    if (method === 'PROPFIND' || method === 'REPORT')
      return xml(
        [...collection.objects].map(([href, one]) =>
          response(
            href,
            `<D:getetag>${one.etag}</D:getetag><D:getcontentlength>${one.body.length}</D:getcontentlength>`,
          ),
        ),
      );
    const one = collection.objects.get(path);
    return one === undefined ? end(404) : end(200, { etag: one.etag }, one.body);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
