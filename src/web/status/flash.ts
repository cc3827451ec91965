/** What came of the last click, told by the address: a page after a form is always fetched anew. */
export interface Flash {
  readonly done: string | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** @param word the words of a key, null where nobody wrote any: an address can hold anything. */
export function flashOf(query: Readonly<Record<string, unknown>>, word: (key: string) => string | null): Flash {
  const done = codeOf(query['done']);
  const code = problemOf(query);
  return {
    done: done === null ? null : word(`done.${done}`),
    problem: code === null ? null : { code, message: word(`problems.${code}`) ?? word('problems.OTHER') ?? '' },
  };
}

/** The code of a refusal, in capitals. */
export function problemOf(query: Readonly<Record<string, unknown>>): string | null {
  const code = codeOf(query['problem']);
  return code !== null && code === code.toUpperCase() ? code : null;
}

function codeOf(value: unknown): string | null {
  return typeof value === 'string' && /^[A-Za-z][A-Za-z_]{1,40}$/.test(value) ? value : null;
}
