/** The panel's accent colour as six hex digits. Null: none, or not one that may stand in a style sheet. */
export function accentOf(colour: string | undefined): string | null {
  const match = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(colour?.trim() ?? '')?.[1]?.toLowerCase();
  if (match === undefined) return null;
  return match.length === 6 ? match : [...match].map((digit) => digit + digit).join('');
}

/** The style sheet of a panel's colour: inline styles are forbidden on our pages, so it comes as a file. */
export function accentSheet(hex: string): string {
  return `:root{--mf-accent:#${hex};--mf-on-accent:${luminance(hex) > 0.4 ? '#10151f' : '#fff'}}\n`;
}

/** Relative luminance, WCAG 2.2: 0 black to 1 white. */
function luminance(hex: string): number {
  const [r, g, b] = [0, 2, 4].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
