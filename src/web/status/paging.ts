/** Links of a list that is cut into pages by the server. */
export interface Paging {
  readonly page: number;
  readonly pages: number;
  readonly total: number;
  readonly previous: string | null;
  readonly next: string | null;
}

/** A page number from an address; whatever is not one is the first page. */
export function pageNumber(value: unknown): number {
  return typeof value === 'string' && /^[1-9]\d{0,5}$/.test(value) ? Number(value) : 1;
}

/** @param query what else the address holds; empty values are left out. */
export function paging(
  path: string,
  query: Readonly<Record<string, string>>,
  page: number,
  perPage: number,
  total: number,
): Paging {
  const pages = Math.max(1, Math.ceil(total / perPage));
  const link = (to: number): string => withQuery(path, { ...query, page: to === 1 ? '' : String(to) });
  return {
    page,
    pages,
    total,
    previous: page > 1 ? link(Math.min(page - 1, pages)) : null,
    next: page < pages ? link(page + 1) : null,
  };
}

export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const entries = Object.entries(query).filter(([, value]) => value !== '');
  return entries.length === 0 ? path : `${path}?${new URLSearchParams(entries).toString()}`;
}
