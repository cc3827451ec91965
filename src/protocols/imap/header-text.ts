/** Characters of a header field that are shown to a person. */
const MAX_SHOWN = 300;

/** The first field of that name, unfolded, its encoded words decoded (RFC 2047), without control characters. */
export function headerText(header: Buffer, field: string): string {
  const text = header.toString('latin1');
  const match = new RegExp(`^${field}:((?:[^\\r\\n]|\\r?\\n[ \\t])*)`, 'im').exec(text);
  if (match === null) return '';
  const raw = match[1]!.replace(/\r?\n/g, '').slice(0, 8 * MAX_SHOWN);
  return decodeWords(raw)
    .replace(/[\x00-\x1f\x7f]/g, ' ')
    .trim()
    .slice(0, MAX_SHOWN);
}

function decodeWords(raw: string): string {
  const joined = raw.replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)[ \t]+(?==\?)/gi, '$1');
  let plain = '';
  let from = 0;
  for (const word of joined.matchAll(/=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi)) {
    plain += eightBit(joined.slice(from, word.index));
    const [whole, charset, encoding, data] = word;
    plain += decodeWord(charset!, encoding!, data!) ?? whole;
    from = word.index + whole.length;
  }
  return plain + eightBit(joined.slice(from));
}

function decodeWord(charset: string, encoding: string, data: string): string | null {
  const bytes =
    encoding.toLowerCase() === 'b'
      ? Buffer.from(data, 'base64')
      : Buffer.from(
          data
            .replaceAll('_', ' ')
            .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
          'latin1',
        );
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return null;
  }
}

/** Raw 8-bit header bytes: UTF-8 if they are that (RFC 6532), else Latin-1. */
function eightBit(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'));
  } catch {
    return text;
  }
}
