import { planOf, wanted } from '../../../worker/test-plan.js';
import { TransferError } from '../../../mailbox/transfer-error.js';
import type { Output } from './events.js';
import { EXIT, type ExitCode } from '../usage.js';
import { SHELL_TENANT, ShellPanel } from './shell-panel.js';
import type { ShellEndpoints } from './shell-endpoints.js';
import { accountOf, type CopyWish, sourceOf } from './wish.js';

/** --dry-run: signs in on both sides, looks, changes nothing on either and remembers nothing. */
export async function tellPlan(
  wish: CopyWish,
  passwords: { readonly from: string; readonly to: string },
  endpoints: ShellEndpoints,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const mailbox = accountOf(wish.to);
  const panel = new ShellPanel(wish.to, passwords.to, mailbox);
  const source = endpoints.source(sourceOf(wish.from), { password: passwords.from });
  const destination = endpoints.destination(() => panel.openDestination(), undefined, wish.items);
  try {
    const connected = await Promise.allSettled([source.connect(signal), destination.connect(signal)]);
    for (const one of connected) if (one.status === 'rejected') throw one.reason;
    const facts = (connected[1] as PromiseFulfilledResult<Awaited<ReturnType<typeof destination.connect>>>).value;
    const folders = await source.listFolders(signal);
    const quota = await panel.quota();
    const parts = { source, destination, facts, quota, filters: wish.filters };
    const plan = await planOf(parts, wanted(folders, wish.items, wish.filters), signal);
    output.tell({ event: 'plan', from: accountOf(wish.from), to: mailbox, plan });
    return EXIT.complete;
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    if (!(error instanceof TransferError)) throw error;
    const side = error.side === 'source' ? accountOf(wish.from) : mailbox;
    const { code, serverText } = error;
    output.tell({
      event: 'log',
      at: new Date().toISOString(),
      level: 'error',
      message: `${side}: ${error.message}`,
      detail: { code, tenant: SHELL_TENANT, ...(serverText === undefined ? {} : { serverText }) },
    });
    return error.retry === 'user' ? EXIT.needsAction : EXIT.failed;
  } finally {
    await Promise.allSettled([source.close(), destination.close()]);
  }
}
