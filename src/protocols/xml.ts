import { type SaxesTagNS, SaxesParser } from 'saxes';

export type XmlCode = 'XML_FORBIDDEN' | 'XML_TOO_LARGE' | 'XML_MALFORMED';

export class XmlError extends Error {
  constructor(
    readonly code: XmlCode,
    message: string,
  ) {
    super(message);
    this.name = 'XmlError';
  }
}

export interface XmlElement {
  readonly name: string;
  /** Namespace URI; '' when there is none. */
  readonly namespace: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  /** Own text and CDATA, joined. */
  text: string;
}

export interface XmlLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
  readonly maxElements: number;
}

/**
 * A small document as a tree. A DOCTYPE is refused, so no entity can be declared: none is expanded but XML's own five,
 * and nothing is ever fetched.
 * @throws XmlError
 */
export function parseXml(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  if (bytes.length > limits.maxBytes) throw new XmlError('XML_TOO_LARGE', 'the document is too large');
  const parser = new SaxesParser<{ xmlns: true }>({ xmlns: true });
  const open: XmlElement[] = [];
  let root: XmlElement | null = null;
  let elements = 0;
  parser.on('doctype', () => {
    throw new XmlError('XML_FORBIDDEN', 'a DOCTYPE is not allowed');
  });
  parser.on('error', () => {
    throw new XmlError('XML_MALFORMED', 'this is not well-formed XML');
  });
  parser.on('opentag', (tag) => {
    if (++elements > limits.maxElements || open.length >= limits.maxDepth)
      throw new XmlError('XML_TOO_LARGE', 'the document has too many or too deep elements');
    const element = elementOf(tag);
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on('closetag', () => void open.pop());
  const onText = (text: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on('text', onText);
  parser.on('cdata', onText);
  parser.write(decoded(bytes)).close();
  if (root === null) throw new XmlError('XML_MALFORMED', 'the document is empty');
  return root;
}

function elementOf(tag: SaxesTagNS): XmlElement {
  const attributes = new Map(Object.values(tag.attributes).map(({ name, value }) => [name, value]));
  return { name: tag.local, namespace: tag.uri, attributes, children: [], text: '' };
}

/** UTF-8 only: a document in UTF-16 must not look harmless to one reader and not to another. */
function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new XmlError('XML_MALFORMED', 'the document is not UTF-8');
  }
}

export function childrenNamed(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

export function textOf(element: XmlElement, name: string): string {
  return childrenNamed(element, name)[0]?.text.trim() ?? '';
}
