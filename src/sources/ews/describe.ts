import type { ItemDescription, ItemRef } from '../../mailbox/item.js';
import { getItems } from '../../protocols/ews/items.js';
import type { XmlElement } from '../../protocols/xml.js';
import type { EwsClient } from './client.js';
import { idOfRef } from './keys.js';
import { child, instant, text } from './map/fields.js';
import { personOf } from './map/people.js';
import { descriptionProperties } from './properties.js';

const AT_ONCE = 50;
/** Characters of one value that a report shows. */
const MAX_VALUE = 300;

/** What a report names of a message, an event or a contact. Refs that are gone, or not given, are left out. */
export async function* describeItems(
  client: EwsClient,
  refs: readonly ItemRef[],
  signal: AbortSignal,
): AsyncGenerator<ItemDescription> {
  for (let at = 0; at < refs.length; at += AT_ONCE) {
    const some = refs.slice(at, at + AT_ONCE);
    const got = await client.repeatable(signal, () =>
      getItems(client.transport, some.map(idOfRef), descriptionProperties(), signal),
    );
    for (const [i, item] of got.entries()) if ('element' in item) yield describe(some[i]!, item.element);
  }
}

function describe({ key }: ItemRef, item: XmlElement): ItemDescription {
  const person = personOf(child(item, 'From')) ?? personOf(child(item, 'Organizer'));
  const email = child(item, 'EmailAddresses')?.children[0]?.text.trim();
  const from =
    person === null ? (email ?? '') : person.name === undefined ? person.address : `${person.name} <${person.address}>`;
  return {
    key,
    subject: (text(item, 'Subject') ?? '').trim().slice(0, MAX_VALUE),
    from: from.slice(0, MAX_VALUE),
    date: instant(item, 'Start') ?? instant(item, 'DateTimeReceived') ?? instant(item, 'DateTimeCreated') ?? null,
  };
}
