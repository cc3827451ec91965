import type { BatchView } from '../../batches/batch.js';
import type { BatchesApi } from '../../batches/contract.js';
import type { Visibility } from '../../jobs/contract.js';
import { idOf } from '../api/answer.js';
import { queryText } from '../query-text.js';
import { notFound } from '../web-error.js';

/** RFC 1035 section 2.3.4. */
const MAX_DOMAIN = 255;

/** Another's domain and one that is not there look the same. @throws WebError NOT_FOUND */
export function domainOf(sees: Visibility, name: string): string {
  const domain = queryText(name, MAX_DOMAIN).toLowerCase();
  if (!sees.all && !sees.domains.includes(domain)) throw notFound();
  return domain;
}

/** Null: not there, not his, or another domain's. */
export async function batchOf(
  batches: BatchesApi,
  sees: Visibility,
  domain: string,
  id: string,
): Promise<BatchView | null> {
  const batch = await batches.get(sees, idOf(id));
  return batch?.domain === domainOf(sees, domain) ? batch : null;
}

/** Where a batch's pages are, below our base; without an id, where the domain's are. */
export function batchPath(domain: string, id?: string): string {
  const base = `/domains/${encodeURIComponent(domain)}`;
  return id === undefined ? base : `${base}/batches/${id}`;
}
