/** What can go wrong, on demand: one fault for one request, given by the test. */
export type Fault =
  /** 503 with Retry-After (seconds). */
  | { readonly is: 'busy-503'; readonly seconds: number }
  /** 500 with a SOAP fault that tells BackOffMilliseconds. */
  | { readonly is: 'busy-500'; readonly ms: number }
  /** 200, and every message an ErrorInternalServerError that tells BackOffMilliseconds. */
  | { readonly is: 'busy-200'; readonly ms: number }
  /** One message for the whole batch: ErrorServerBusy. */
  | { readonly is: 'short-batch'; readonly ms?: number }
  /** One message for the whole batch, with this code. */
  | { readonly is: 'one-message'; readonly code: string }
  /** 500 and a page. */
  | { readonly is: 'page-500' }
  /** 200 and a page. */
  | { readonly is: 'page-200' }
  | { readonly is: 'unauthorized' }
  /** The answer ends in the middle, its connection with it. */
  | { readonly is: 'cut' }
  /** Whole as HTTP sees it, the XML is not. */
  | { readonly is: 'truncated-xml' }
  | { readonly is: 'doctype' }
  | { readonly is: 'wrong-type' }
  | { readonly is: 'redirect'; readonly to: string }
  /** Nothing comes, ever. */
  | { readonly is: 'hang' }
  /** A SOAP fault in HTTP 200. */
  | { readonly is: 'fault-200'; readonly code: string }
  | { readonly is: 'fault-500'; readonly code: string }
  /** Messages without the items that were asked for. */
  | { readonly is: 'other-items' }
  /** A response code that no schema knows. */
  | { readonly is: 'unknown-code' };

export interface Asked {
  /** GetItem, SyncFolderItems, ... */
  readonly operation: string;
  readonly user: string;
  readonly mailbox: string;
  /** From 1, of all requests with a login. */
  readonly nth: number;
  /** Of ItemIds in it. */
  readonly items: number;
}
/** Null: nothing goes wrong with this one. */
export type FaultPlan = (asked: Asked) => Fault | null;

/** Time in which a client that was told cannot know yet (ms): its requests were on the way. */
const ON_THE_WAY = 300;

/** Who was told to wait, and who came back too early. */
export class BackOffs {
  private readonly told = new Map<string, { since: number; until: number }>();
  readonly early: string[] = [];

  tell(user: string, ms: number): void {
    const before = this.told.get(user);
    const since = Date.now();
    this.told.set(user, { since, until: Math.max(before?.until ?? 0, since + ms) });
  }

  came(user: string, operation: string, at: number): void {
    const told = this.told.get(user);
    if (told === undefined || at < told.since + ON_THE_WAY) return;
    const left = told.until - at;
    // Timers fire a little early.
    if (left > 5) this.early.push(`${operation} came ${left} ms before it was told to`);
  }
}
