import type { NeutralCard, NeutralProperty } from '../cards/neutral.js';
import { printCard } from '../cards/print-card.js';
import { printComponents } from '../text/component.js';

/** `type` as in RFC 6350 section 5.6 (`home`, `work`, `cell`, `fax`, ...); `label` is one's own word for it. */
export interface Labelled<Value> {
  readonly value: Value;
  readonly types?: readonly string[];
  readonly label?: string;
  readonly preferred?: boolean;
}
export interface PlainAddress {
  readonly street?: string;
  readonly city?: string;
  readonly region?: string;
  readonly postalCode?: string;
  readonly country?: string;
}

/** A person or an organisation. All texts are plain; what is missing is left out. */
export interface PlainContact {
  readonly uid: string;
  /** What it is called; made from the name, else the organisation, where it is missing. */
  readonly fullName?: string;
  readonly name?: {
    readonly family?: string;
    readonly given?: string;
    readonly middle?: string;
    readonly prefix?: string;
    readonly suffix?: string;
  };
  readonly nicknames?: readonly string[];
  readonly organisation?: string;
  readonly departments?: readonly string[];
  readonly title?: string;
  readonly role?: string;
  readonly emails?: readonly Labelled<string>[];
  readonly phones?: readonly Labelled<string>[];
  readonly addresses?: readonly Labelled<PlainAddress>[];
  readonly urls?: readonly Labelled<string>[];
  readonly impps?: readonly Labelled<string>[];
  /** YYYY-MM-DD, or --MM-DD where the year is unknown. */
  readonly birthday?: string;
  readonly anniversary?: string;
  readonly note?: string;
  readonly categories?: readonly string[];
  readonly photo?: { readonly bytes: Uint8Array; readonly mediaType: string };
  readonly modified?: Date;
  /** Private properties by their whole name (X-...). */
  readonly extra?: Readonly<Record<string, string>>;
}

/** Members by the UID of their card, or by address where they have none. */
export interface PlainGroup {
  readonly uid: string;
  readonly name: string;
  readonly members: readonly ({ readonly uid: string } | { readonly address: string; readonly name?: string })[];
  readonly note?: string;
  readonly categories?: readonly string[];
}

/** A vCard 3.0, which all servers take; `prepareForStore` makes it what another one wants. */
export function buildContact(contact: PlainContact): Uint8Array {
  const { name = {}, organisation = '', departments = [] } = contact;
  const parts = [name.family, name.given, name.middle, name.prefix, name.suffix].map((part) => part ?? '');
  const said = [parts[3], parts[1], parts[2], parts[0], parts[4]].filter(Boolean).join(' ');
  const out = new CardParts();
  out.add('N', parts);
  out.add('FN', [contact.fullName || said || organisation || contact.emails?.[0]?.value || 'Unnamed']);
  out.add('UID', [contact.uid]);
  if (organisation !== '' || departments.length > 0) out.add('ORG', [organisation, ...departments]);
  if (said === '' && organisation !== '') out.add('KIND', ['org']);
  out.texts({ TITLE: contact.title, ROLE: contact.role, NOTE: contact.note });
  out.lists({ NICKNAME: contact.nicknames, CATEGORIES: contact.categories });
  for (const one of contact.emails ?? []) out.labelled('EMAIL', [one.value], one);
  for (const one of contact.phones ?? []) out.labelled('TEL', [one.value], one);
  for (const one of contact.addresses ?? []) {
    const { street = '', city = '', region = '', postalCode = '', country = '' } = one.value;
    out.labelled('ADR', ['', '', street, city, region, postalCode, country], one);
  }
  for (const one of contact.urls ?? []) out.labelled('URL', [one.value], one, 'uri');
  for (const one of contact.impps ?? []) out.labelled('IMPP', [one.value], one, 'uri');
  out.texts({ BDAY: basic(contact.birthday), ANNIVERSARY: basic(contact.anniversary) });
  if (contact.photo) out.binary('PHOTO', contact.photo);
  if (contact.modified) out.add('REV', [contact.modified.toISOString().replace(/\.\d+/, '')]);
  out.texts(contact.extra ?? {});
  return out.print();
}

/** A distribution list, as Apple's vCard 3.0 writes it; `prepareForStore` makes it KIND:group for vCard 4.0. */
export function buildGroup(group: PlainGroup): Uint8Array {
  const out = new CardParts();
  out.add('N', [group.name]);
  out.add('FN', [group.name || 'Unnamed']);
  out.add('UID', [group.uid]);
  out.add('KIND', ['group']);
  for (const member of group.members)
    out.add(
      'MEMBER',
      ['uid' in member ? `urn:uuid:${member.uid.replace(/^urn:uuid:/i, '')}` : `mailto:${member.address}`],
      'uri',
    );
  out.texts({ NOTE: group.note });
  out.lists({ CATEGORIES: group.categories });
  return out.print();
}

const basic = (date: string | undefined): string | undefined => date?.replace(/(?<=\d)-/g, '');

class CardParts {
  private readonly properties: NeutralProperty[] = [];
  private readonly labels = new Map<string, string>();

  /** Components of a structured value, or the one text. */
  add(name: string, parts: readonly string[], form: NeutralProperty['form'] = 'text'): void {
    this.push({ name, parts: parts.map((part) => [part]), form });
  }

  texts(values: Readonly<Record<string, string | undefined>>): void {
    for (const [name, value] of Object.entries(values)) if (value) this.add(name, [value]);
  }

  lists(values: Readonly<Record<string, readonly string[] | undefined>>): void {
    for (const [name, value] of Object.entries(values))
      if (value?.length) this.push({ name, parts: [value], form: 'text' });
  }

  labelled(
    name: string,
    parts: readonly string[],
    one: Labelled<unknown>,
    form: NeutralProperty['form'] = 'text',
  ): void {
    const group = one.label === undefined ? null : `item${this.labels.size + 1}`;
    if (group !== null) this.labels.set(group, one.label!);
    this.push({
      name,
      group,
      parts: parts.map((part) => [part]),
      form,
      types: (one.types ?? []).map((type) => type.toLowerCase()),
      preferred: one.preferred === true,
    });
  }

  binary(name: string, { bytes, mediaType }: { readonly bytes: Uint8Array; readonly mediaType: string }): void {
    this.push({ name, parts: [], form: 'uri', binary: { bytes: Buffer.from(bytes), mediaType } });
  }

  print(): Uint8Array {
    const card: NeutralCard = { version: '3.0', properties: this.properties, labels: this.labels, agents: [] };
    return printComponents([printCard(card, '3.0').component]);
  }

  private push(one: Pick<NeutralProperty, 'name' | 'parts' | 'form'> & Partial<NeutralProperty>): void {
    this.properties.push({ group: null, types: [], preferred: false, params: [], ...one });
  }
}
