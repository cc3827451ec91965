import { MAX_ROWS, readCsv } from '../../src/batches/csv-rows.js';

const HEADER = 'mailbox,source_username,source_password';
/** The refusal of a whole list: its code and the row it names. */
async function problem(input: string | Uint8Array): Promise<[string, unknown]> {
  try {
    await readCsv(input);
  } catch (error) {
    const { code, details } = error as { code: string; details?: { row?: number } };
    return [code, details?.row];
  }
  return ['none', undefined];
}

describe('a list of mailboxes as CSV', () => {
  it.each([
    ['comma', 'mailbox,source_username,source_password\na@new.test,old-a,pw'],
    ['semicolon, other order, other case', 'Source Password;MAILBOX;source-username\npw;a@new.test;old-a\n'],
    ['tab, BOM, CRLF', '\ufeffsource_username\tsource_password\tmailbox\r\nold-a\tpw\ta@new.test\r\n\r\n'],
    ['other columns, quoted', 'name,mailbox,source_username,source_password\n"A, B","a@new.test","old-a","pw"'],
    ['blank lines', `${HEADER}\n\n,,\n a@new.test ,old-a,pw\n`],
  ])('is read: %s', async (_, text) => {
    const expected = { rows: [{ row: 1, mailbox: 'a@new.test', username: 'old-a', password: 'pw' }], refused: [] };
    expect(await readCsv(text)).toEqual(expected);
    expect(await readCsv(Buffer.from(text))).toEqual(expected);
  });

  it('takes passwords as they are: blanks, quotes, formulas, markup, separators', async () => {
    const passwords = [' a ', 'say "hi"', '=cmd|calc', '<b>&amp;', 'x;y', 'ä€𝄞', 'back\\slash', "o'neil"];
    const text = passwords.map((password) => `a@new.test,u,"${password.replaceAll('"', '""')}"`).join('\n');
    const { rows } = await readCsv(`${HEADER}\n${text}`);
    expect(rows.map(({ password }) => password)).toEqual(passwords);
    // A quotation mark in the middle is a character like any other.
    expect((await readCsv(`${HEADER}\na@new.test,u,pa"ss`)).rows[0]!.password).toBe('pa"ss');
  });

  it('refuses a row with cells too many, and goes on with the others', async () => {
    const { rows, refused } = await readCsv(`${HEADER}\na@new.test,u,p,w\nb@new.test,u,pw`);
    expect(rows.map(({ row, mailbox }) => [row, mailbox])).toEqual([[2, 'b@new.test']]);
    expect(refused).toMatchObject([{ row: 1, code: 'ROW_MALFORMED' }]);
  });

  it('reads ten thousand rows and stops at the next, however many follow (case 31)', async () => {
    const rows = (n: number): string => `${HEADER}\n${'user@new.test,user,secret\n'.repeat(n)}`;
    expect((await readCsv(rows(MAX_ROWS))).rows).toHaveLength(MAX_ROWS);
    expect(await problem(rows(200_000))).toEqual(['CSV_TOO_MANY_ROWS', MAX_ROWS + 1]);
  });

  it.each<[string, string | Uint8Array, [string, unknown]]>([
    [
      'a line of 10 MB',
      `${HEADER}\na@new.test,u,pw\nb@new.test,u,${'x'.repeat(10_000_000)}\n`,
      ['CSV_ROW_TOO_LONG', 2],
    ],
    [
      'a quotation mark without an end',
      `${HEADER}\na@new.test,u,"pw\n${'b@new.test,u,pw\n'.repeat(5_000)}`,
      ['CSV_ROW_TOO_LONG', 1],
    ],
    ['one at the end', `${HEADER}\na@new.test,u,pw\nb@new.test,u,"pw`, ['CSV_MALFORMED', 2]],
    ['UTF-16 with its mark', Buffer.from(`\ufeff${HEADER}\n`, 'utf16le'), ['CSV_ENCODING', undefined]],
    ['UTF-16 without', Buffer.from(`${HEADER}\n`, 'utf16le'), ['CSV_ENCODING', undefined]],
    ['an old code page', Buffer.from(`${HEADER}\nm\xfcller@new.test,u,pw`, 'latin1'), ['CSV_ENCODING', undefined]],
    ['no header', 'a@new.test,u,pw\nb@new.test,u,pw', ['CSV_HEADER', undefined]],
    ['a column twice', 'mailbox,mailbox,source_password\na@new.test,u,pw', ['CSV_HEADER', undefined]],
    ['nothing', '', ['CSV_HEADER', undefined]],
    ['a header alone', HEADER, ['CSV_EMPTY', undefined]],
  ])('is refused as a whole, with the row: %s', async (_, input, expected) => {
    expect(await problem(input)).toEqual(expected);
  });
});
