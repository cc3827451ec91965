import type { ConnectPolicy } from '../../../protocols/connect.js';
import type { TakePermit } from '../../../protocols/permit.js';
import type { Source } from '../../../sources/source.js';
import { openHostedMailbox } from '../../../worker/destination-builder.js';
import type { Endpoints } from '../../../worker/endpoints.js';
import { openSource } from '../../../worker/source-builder.js';
import { type SharedLimits, withinLimits } from '../../../worker/within-limits.js';
import type { CopyWish } from './wish.js';

/** For resolving, dialling and TLS together (ms). */
const CONNECT_MS = 20_000;
/** To the new mailbox: what Dovecot and Cyrus allow a user by default is 10, his own devices included. */
const DESTINATION_CONNECTIONS = 4;
/** Whoever has a shell here can dial anything anyway: nothing is forbidden but a connection without TLS. */
const POLICY: ConnectPolicy = { allowPrivate: true, allowPlaintext: false, ports: 'any', deadlineMs: CONNECT_MS };

export interface ShellEndpoints extends Endpoints {
  /** From now on its connections and what it reads count together with those of the workers on the same database. */
  within(limits: SharedLimits): Endpoints;
  /** Items that the old server announced when it listed its folders; 0 before that. */
  announced(): number;
}

/** Both sides as the command line names them, private authorities and administrators' sign-ins included. */
export function shellEndpoints(
  { from }: CopyWish,
  password: string,
  worker: { readonly connections: number },
): ShellEndpoints {
  let announced = 0;
  let limits: SharedLimits | null = null;
  const endpoints: ShellEndpoints = {
    announced: () => announced,
    within(shared) {
      limits = shared;
      return endpoints;
    },
    source: (settings, secret, say) => {
      const { host, port, security } = settings;
      const { ca, caFingerprint, admin, user } = from;
      const open = (permit?: TakePermit, davPermit?: TakePermit): Source =>
        openSource(
          settings,
          secret,
          {
            policy: POLICY,
            worker,
            ...(ca === undefined ? {} : { ca }),
            ...(davPermit === undefined ? {} : { davPermit }),
          },
          {
            target: { host, port, security, ...(ca ? { ca } : {}), ...(caFingerprint ? { caFingerprint } : {}) },
            ...(admin === undefined
              ? {}
              : { login: async () => ({ kind: 'authzid', user: admin, password, authzid: user }) as const }),
            ...(permit === undefined ? {} : { permit }),
          },
        );
      const source = limits === null ? open() : withinLimits(limits, settings, worker.connections, say, open);
      return counting(source, (items) => (announced = items));
    },
    destination: (grant, trace, kinds) => openHostedMailbox(grant, DESTINATION_CONNECTIONS, trace, kinds),
    discover: () => Promise.resolve({ found: false }),
  };
  return endpoints;
}

function counting(source: Source, tell: (items: number) => void): Source {
  const list = source.listFolders.bind(source);
  source.listFolders = async (signal) => {
    const folders = await list(signal);
    tell(folders.reduce((sum, { items }) => sum + (items ?? 0), 0));
    return folders;
  };
  return source;
}
