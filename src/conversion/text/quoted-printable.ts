import { decoderFor } from './lines.js';

/** A value of vCard 2.1 or iCalendar 1.0 in the charset it names; UTF-8 where it names none. */
export function decodeQuoted(value: string, charset: string | undefined): string {
  const bytes = fromQuotedPrintable(value);
  const text = bytes.toString('utf8');
  const other = charset !== undefined && !/^(?:utf-?8|us-ascii|ascii)$/i.test(charset);
  // Bytes that are no UTF-8 are in something else, whatever the parameter says.
  return other || text.includes('\ufffd') ? decoderFor(charset).decode(bytes) : text;
}

/** RFC 2045 section 6.7, soft line breaks already joined: to bytes. */
function fromQuotedPrintable(value: string): Buffer {
  const out: number[] = [];
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    const hex = value.slice(at + 1, at + 3);
    if (code === 0x3d && /^[0-9A-Fa-f]{2}$/.test(hex)) {
      out.push(parseInt(hex, 16));
      at += 2;
    } else if (code < 0x80) out.push(code);
    else {
      const char = String.fromCodePoint(value.codePointAt(at)!);
      out.push(...Buffer.from(char));
      at += char.length - 1;
    }
  }
  return Buffer.from(out);
}
