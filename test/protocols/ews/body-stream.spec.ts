import { readAroundBodies } from '../../../src/protocols/ews/body-stream.js';
import { childrenNamed, parseXml } from '../../../src/protocols/xml.js';

const LIMITS = { maxAroundBytes: 10_000, maxBodyBytes: 100_000 };

async function* pieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, size = 7, limits = LIMITS): Promise<{ around: string; bodies: string[] }> {
  const bodies: string[] = [];
  const around = await readAroundBodies(pieces(text, size), 'MimeContent', limits, async (bytes) => {
    const parts: Buffer[] = [];
    for await (const part of bytes) parts.push(part);
    bodies.push(Buffer.concat(parts).toString('latin1'));
  });
  return { around: around.toString(), bodies };
}

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

describe('bodies in an XML document as a stream', () => {
  it('come decoded, in their order, whatever the pieces they arrive in', async () => {
    const [one, two] = ['a first body, odd length', 'ÿ\0 second'.repeat(50)];
    const text = `<?xml version="1.0"?><e xmlns:t="t"><t:MimeContent CharacterSet="UTF-8">${base64(one!)}</t:MimeContent><t:Id>1</t:Id><t:MimeContent>${base64(two!)}</t:MimeContent></e>`;
    for (const size of [1, 2, 3, 5, 16, 1_000]) {
      const { around, bodies } = await read(text, size);
      expect(bodies).toEqual([one, two]);
      const root = parseXml(Buffer.from(around), { maxBytes: 10_000, maxDepth: 9, maxElements: 99 });
      expect(childrenNamed(root, 'MimeContent').map((body) => body.text)).toEqual(['', '']);
      expect(childrenNamed(root, 'Id')[0]?.text).toBe('1');
    }
  });

  it('are read over line ends, written as they are or as entities', async () => {
    const body = base64('with line ends in it').replace(/(.{8})/g, '$1&#xD;\r\n');
    expect((await read(`<e><MimeContent>${body}</MimeContent></e>`, 3)).bodies).toEqual(['with line ends in it']);
  });

  it('are no bodies in comments, CDATA and attributes', async () => {
    const text =
      '<e a="<MimeContent>" b=\'>\'><!-- <MimeContent> > --><![CDATA[<MimeContent>x]]><MimeContent/><Mime>y</Mime></e>';
    const { around, bodies } = await read(text, 4);
    expect(bodies).toEqual([]);
    expect(around).toBe(text);
  });

  it('are read for nothing where nobody wants them', async () => {
    const text = `<e><MimeContent>${base64('x'.repeat(500))}</MimeContent><Id>2</Id></e>`;
    const around = await readAroundBodies(pieces(text, 9), 'MimeContent', LIMITS, async () => undefined);
    expect(around.toString()).toBe('<e><MimeContent></MimeContent><Id>2</Id></e>');
  });

  it.each([
    ['a DOCTYPE', '<!DOCTYPE e [<!ENTITY a "b">]><e/>', { code: 'XML_FORBIDDEN' }],
    ['an end in a tag', '<e><MimeCont', { code: 'XML_MALFORMED' }],
    ['an end in a body', '<e><MimeContent>AAAA', { code: 'XML_MALFORMED' }],
    ['too much around', `<e>${'y'.repeat(20_000)}</e>`, { code: 'XML_TOO_LARGE' }],
    ['an endless tag', `<e a="${'y'.repeat(200_000)}"/>`, { code: 'XML_TOO_LARGE' }],
    [
      'a body that is too long',
      `<e><MimeContent>${base64('z'.repeat(200_000))}</MimeContent></e>`,
      { why: 'too-large' },
    ],
  ])('refuses %s', async (_, text, error) => {
    await expect(read(text, 5_000)).rejects.toMatchObject(error);
  });
});
