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
  if (bytes.length > limits.maxBytes) throw tooLarge();
  const reader = new XmlReader(limits);
  reader.write(decoded(bytes));
  return reader.end();
}

/** `maxElements` and `maxChildChars` are for one child of the root, `maxBytes` for the whole document. */
export interface XmlStreamLimits extends XmlLimits {
  readonly maxChildChars: number;
}

/**
 * A long document, one child of its root after the other: what was handed over is forgotten.
 * @returns the root with the children that nobody was given: none.
 * @throws XmlError
 */
export async function* xmlChildren(
  chunks: AsyncIterable<Uint8Array>,
  limits: XmlStreamLimits,
): AsyncGenerator<XmlElement, XmlElement> {
  const ready: XmlElement[] = [];
  const reader = new XmlReader(limits, limits.maxChildChars, (child) => ready.push(child));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > limits.maxBytes) throw tooLarge();
    reader.write(decodedPart(decoder, chunk));
    yield* ready.splice(0);
  }
  reader.write(decodedPart(decoder));
  const root = reader.end();
  yield* ready.splice(0);
  return root;
}

const tooLarge = (): XmlError => new XmlError('XML_TOO_LARGE', 'the document is too large');

/** Builds the tree; with `onChild` each child of the root is given away as soon as it ends. */
class XmlReader {
  private readonly parser = new SaxesParser<{ xmlns: true }>({ xmlns: true });
  private readonly open: XmlElement[] = [];
  private root: XmlElement | null = null;
  private elements = 0;
  private chars = 0;

  constructor(
    limits: XmlLimits,
    private readonly maxChildChars = Infinity,
    onChild?: (child: XmlElement) => void,
  ) {
    const { parser, open } = this;
    parser.on('doctype', () => {
      throw new XmlError('XML_FORBIDDEN', 'a DOCTYPE is not allowed');
    });
    parser.on('error', () => {
      throw new XmlError('XML_MALFORMED', 'this is not well-formed XML');
    });
    parser.on('opentag', (tag) => {
      if (++this.elements > limits.maxElements || open.length >= limits.maxDepth)
        throw new XmlError('XML_TOO_LARGE', 'the document has too many or too deep elements');
      const element = elementOf(tag);
      if (open.length !== 1 || onChild === undefined) open.at(-1)?.children.push(element);
      this.root ??= element;
      open.push(element);
    });
    parser.on('closetag', () => {
      const element = open.pop();
      if (element === undefined || open.length !== 1 || onChild === undefined) return;
      this.elements = 1;
      this.chars = 0;
      onChild(element);
    });
    const onText = (text: string): void => {
      const element = open.at(-1);
      if (element !== undefined) element.text += text;
    };
    parser.on('text', onText);
    parser.on('cdata', onText);
  }

  /** A child's characters are counted as they come: the parser holds back a text until it ends. */
  write(text: string): void {
    this.chars += text.length;
    if (this.chars > this.maxChildChars) throw tooLarge();
    this.parser.write(text);
  }

  end(): XmlElement {
    this.parser.close();
    if (this.root === null) throw new XmlError('XML_MALFORMED', 'the document is empty');
    return this.root;
  }
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

function decodedPart(decoder: InstanceType<typeof TextDecoder>, chunk?: Uint8Array): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
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
