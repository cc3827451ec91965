import { Resolver } from 'node:dns/promises';

export interface SrvRecord {
  /** '' or '.': the service is not offered (RFC 2782). */
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** Questions that reveal nothing but the domain. Rejects when there is no answer. */
export interface MailDns {
  srv(name: string): Promise<readonly SrvRecord[]>;
  /** Hosts, most wanted first. */
  mx(domain: string): Promise<readonly string[]>;
  /** Each text as one. */
  txt(name: string): Promise<readonly string[]>;
}

/** Per try and name server (ms); c-ares asks twice. */
const QUERY_MS = 2_000;

export function systemDns(): MailDns {
  const resolver = new Resolver({ timeout: QUERY_MS, tries: 2 });
  return {
    srv: (name) => resolver.resolveSrv(name),
    mx: async (domain) => {
      const records = await resolver.resolveMx(domain);
      return records.sort((a, b) => a.priority - b.priority).map(({ exchange }) => exchange);
    },
    txt: async (name) => (await resolver.resolveTxt(name)).map((parts) => parts.join('')),
  };
}
