/** What a spreadsheet would take for the start of a formula, or drop before looking again. */
const RUNS = /^[\s\u00a0\ufeff]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
/** Characters of one cell: a spreadsheet takes 32,767. */
const MAX_CELL = 4_000;

/** One RFC 4180 line. Text is neutralised; numbers are ours and stay numbers. */
export function csvLine(cells: readonly (string | number | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = value.slice(0, MAX_CELL).replaceAll('\0', '');
  const safe = RUNS.test(text) ? `'${text}` : text;
  return /[",\r\n\t;]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}
