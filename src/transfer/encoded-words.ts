/** Characters of one encoded word, delimiters included (RFC 2047 section 2). */
const MOST_WORD = 75;

/**
 * Encodes the raw 8-bit words of a header block as RFC 2047 encoded words; everything else stays byte for byte.
 * @param header latin1: one character is one byte.
 */
export function encodeEightBit(header: string): string {
  if (!/[\x80-\xff]/.test(header)) return header;
  // Neighbouring 8-bit words go into one encoded word: blanks between two encoded words are not shown.
  const quoted = /"(?:[^"\\\r\n]|\\[^\r\n])*"/.source;
  const bare = /[^ \t\r\n"<>(),;:=]*[\x80-\xff][^ \t\r\n"<>(),;:=]*/.source;
  const words = `${bare}(?:[ \\t]+${bare})*`;
  return header.replace(new RegExp(`(=?)(${quoted})|(${words})`, 'g'), (all, equals: string, string?: string) => {
    if (!/[\x80-\xff]/.test(all)) return all;
    if (string === undefined) return encodeWords(all);
    const inner = encodeWords(string.slice(1, -1).replace(/\\(.)/g, '$1'));
    // A parameter (name="...") stays quoted: that is what mail programs write and read, though the RFC forbids it.
    return equals ? `="${inner}"` : inner;
  });
}

function encodeWords(bytes: string): string {
  const raw = Buffer.from(bytes, 'latin1');
  const text = raw.toString('utf8');
  const isUtf8 = !text.includes('\ufffd');
  const charset = isUtf8 ? 'utf-8' : 'windows-1252';
  // Split between characters: each encoded word has to be whole on its own (RFC 2047 section 5).
  const characters = isUtf8 ? [...text].map((c) => Buffer.from(c)) : [...bytes].map((c) => Buffer.from(c, 'latin1'));
  const room = Math.floor((MOST_WORD - `=?${charset}?B??=`.length) / 4) * 3;
  const out: string[] = [];
  let part: Buffer[] = [];
  let size = 0;
  const close = () => {
    if (size > 0) out.push(`=?${charset}?B?${Buffer.concat(part).toString('base64')}?=`);
    part = [];
    size = 0;
  };
  for (const character of characters) {
    if (size + character.length > room) close();
    part.push(character);
    size += character.length;
  }
  close();
  return out.join(' ');
}
