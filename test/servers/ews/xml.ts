/** Just enough to write XML: the server's answers are made of strings, in the order the schema wants. */
export const MESSAGES = 'http://schemas.microsoft.com/exchange/services/2006/messages';
export const TYPES = 'http://schemas.microsoft.com/exchange/services/2006/types';
export const ERRORS = 'http://schemas.microsoft.com/exchange/services/2006/errors';
export const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';

export function escapeXml(text: string): string {
  return text.replace(/[&<>"\r]/g, (char) => {
    if (char === '\r') return '&#xD;';
    return { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }[char]!;
  });
}

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const written = given.map(([key, value]) => ` ${key}="${escapeXml(String(value))}"`).join('');
  const inner = children.join('');
  return inner === '' ? `<${name}${written}/>` : `<${name}${written}>${inner}</${name}>`;
}

/** An element of the types namespace with plain text; '' where there is no value. */
export function plain(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : element(`t:${name}`, {}, escapeXml(String(value)));
}

/** Exchange writes whole seconds, in UTC. */
export function utc(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}
