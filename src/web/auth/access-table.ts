import type { Permission, Role } from '../../panel/host-panel.js';

/**
 * Who may use what of ours. `public`: anybody. Else the roles, and for each the permission the panel is asked for at
 * every request. Whose objects somebody sees is another matter: see src/jobs/visibility.ts; a stranger's job is 404.
 */
export type Decision =
  { readonly who: 'public' } | { readonly who: 'people'; readonly roles: Readonly<Partial<Record<Role, Permission>>> };

const EVERYBODY: Decision = { who: 'public' };
const OWNERS: Decision = {
  who: 'people',
  roles: { user: 'migration.own', 'domain-admin': 'migration.domain', support: 'migration.all' },
};
const DOMAIN: Decision = { who: 'people', roles: { 'domain-admin': 'migration.domain', support: 'migration.all' } };
const SUPPORT: Decision = { who: 'people', roles: { support: 'migration.all' } };

/** Named by `@Access('...')` on every route; a test fails for a route without one. */
export const ACCESS = {
  // Pages
  'page.home': OWNERS,
  'page.wizard': OWNERS,
  'page.job': OWNERS,
  'page.job.act': OWNERS,
  'page.report': OWNERS,
  'page.domain': DOMAIN,
  'page.batch': DOMAIN,
  'page.batch.act': DOMAIN,
  'page.admin': SUPPORT,
  'page.admin.act': SUPPORT,
  'page.widget': OWNERS,
  // Whoever holds the link: it is signed, for one migration, and works once (jobs/password-links.ts).
  'page.link': EVERYBODY,
  'sign-in': EVERYBODY,
  'sign-out': EVERYBODY,
  asset: EVERYBODY,
  // JSON
  'api.test': OWNERS,
  'api.job.read': OWNERS,
  'api.job.write': OWNERS,
  'api.job.act': OWNERS,
  'api.job.erase': OWNERS,
  'api.job.bulk': OWNERS,
  'api.report': OWNERS,
  'api.batch.read': DOMAIN,
  'api.batch.write': DOMAIN,
  'api.document': EVERYBODY,
  // An unknown path below ours: whether it exists is no secret.
  unknown: EVERYBODY,
  // For machines: health says no secret; metrics asks for the machine itself or a token (metrics.controller.ts).
  health: EVERYBODY,
  metrics: EVERYBODY,
} satisfies Record<string, Decision>;

export type AccessName = keyof typeof ACCESS;
