import { ews } from './library.js';
import { childrenNamed, type XmlElement } from '../xml.js';
import { EwsFailure } from './failure.js';
import { askByLibrary } from './service.js';
import type { EwsTransport } from './transport.js';

/** An item that was asked for: its element, or why it is not given, in the server's spelling. */
export type GotItem =
  | { readonly id: string; readonly element: XmlElement }
  | { readonly id: string; readonly code: string; readonly text: string };

/**
 * Items with the named properties, in any number, by one GetItem. Bodies come as plain text. Where the server answers a
 * batch with fewer messages, each is asked for alone.
 * @throws EwsFailure; ConnectError; XmlError
 */
export async function getItems(
  transport: EwsTransport,
  ids: readonly string[],
  properties: readonly InstanceType<typeof ews.PropertyDefinitionBase>[],
  signal: AbortSignal,
): Promise<GotItem[]> {
  try {
    const messages = await askByLibrary(transport, 'GetItem', ids.length, signal, (service) => {
      const shape = new ews.PropertySet(ews.BasePropertySet.IdOnly, [...properties]);
      shape.RequestedBodyType = ews.BodyType.Text;
      return service.BindToItems(
        ids.map((id) => new ews.ItemId(id)),
        shape,
      );
    });
    return messages.map(({ ok, code, text, element }, i) => gotItem(ids[i]!, ok, code, text, element));
  } catch (error) {
    if (!isShort(error) || ids.length === 1) throw error;
    const all: GotItem[] = [];
    for (const id of ids) all.push(...(await getItems(transport, [id], properties, signal)));
    return all;
  }
}

/** The one that was asked for, and no other. @throws EwsFailure for another one */
export function gotItem(id: string, ok: boolean, code: string, text: string, element: XmlElement): GotItem {
  if (!ok) return { id, code, text };
  const item = childrenNamed(element, 'Items')[0]?.children[0];
  if (item === undefined) return { id, code: code === 'NoError' ? 'ErrorItemNotFound' : code, text };
  const given = childrenNamed(item, 'ItemId')[0]?.attributes.get('Id') ?? '';
  if (given !== id) throw new EwsFailure('not-understood', { status: 200, code: 'another item' });
  return { id, element: item };
}

export function isShort(error: unknown): boolean {
  return error instanceof EwsFailure && error.problem === 'short';
}
