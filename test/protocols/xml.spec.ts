import { parseXml, textOf, XmlError } from '../../src/protocols/xml.js';

const LIMITS = { maxBytes: 100_000, maxDepth: 8, maxElements: 100 };

function codeOf(document: string | Uint8Array): string {
  try {
    parseXml(typeof document === 'string' ? Buffer.from(document) : document, LIMITS);
    return 'read';
  } catch (error) {
    return error instanceof XmlError ? error.code : String(error);
  }
}

it('reads elements, attributes, text and namespaces', () => {
  const root = parseXml(
    Buffer.from('<?xml version="1.0"?><a xmlns:d="DAV:" x="1"><d:b>t &amp; <![CDATA[<u>]]></d:b><c/></a>'),
    LIMITS,
  );
  expect([root.name, root.attributes.get('x'), textOf(root, 'b')]).toEqual(['a', '1', 't & <u>']);
  expect(root.children.map(({ name, namespace }) => [name, namespace])).toEqual([
    ['b', 'DAV:'],
    ['c', ''],
  ]);
});

it.each([
  ['a DOCTYPE', '<!DOCTYPE a><a/>'],
  ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
  ['an external DTD', '<!DOCTYPE a SYSTEM "http://127.0.0.1:6379/x.dtd"><a/>'],
  ['a parameter entity', '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1/">%x;]><a/>'],
  ['a billion laughs', '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;"><!ENTITY n "&m;&m;&m;">]><a>&n;</a>'],
])('%s is XML_FORBIDDEN', (_, document) => expect(codeOf(document)).toBe('XML_FORBIDDEN'));

it.each([
  ['too many elements', `<a>${'<b/>'.repeat(200)}</a>`],
  ['too deep elements', `${'<a>'.repeat(50)}${'</a>'.repeat(50)}`],
  ['too many bytes', `<a>${'x'.repeat(200_000)}</a>`],
])('%s is XML_TOO_LARGE', (_, document) => expect(codeOf(document)).toBe('XML_TOO_LARGE'));

it.each([
  ['an undeclared entity', Buffer.from('<a>&x;</a>')],
  ['an element that does not end', Buffer.from('<a>')],
  ['nothing', Buffer.from('')],
  ['HTML', Buffer.from('<html><body><br></body></html>')],
  ['UTF-16, whatever it hides', Buffer.from('\ufeff<!DOCTYPE a><a/>', 'utf16le')],
  ['bytes that are no text', Buffer.from([0x3c, 0x61, 0xff, 0xfe, 0x3e])],
])('%s is XML_MALFORMED', (_, document) => expect(codeOf(document)).toBe('XML_MALFORMED'));
