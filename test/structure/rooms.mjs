/**
 * Who may import whom: the house, as data. A room may import itself and what stands here, nothing else of ours.
 * `types` are rooms of which only types may be imported. A room that is not named here fails the check.
 */
export const ROOMS = {
  mailbox: {},
  protocols: { may: ['mailbox'] },
  conversion: { may: ['mailbox'] },
  sources: { may: ['mailbox', 'protocols', 'conversion'] },
  destinations: { may: ['mailbox', 'protocols', 'conversion'] },
  database: {},
  ledger: { may: ['mailbox'] },
  transfer: { may: ['mailbox'], types: ['sources', 'destinations', 'ledger', 'conversion'] },
  providers: { may: ['mailbox'] },
  panel: { may: ['mailbox'] },
  credentials: {},
  queue: {},
  jobs: { may: ['mailbox', 'panel', 'credentials/seal', 'credentials/keyring', 'queue'] },
  batches: { may: ['mailbox', 'jobs', 'panel', 'credentials/seal', 'credentials/keyring'] },
  progress: { may: ['mailbox', 'jobs'], types: ['transfer'] },
  reports: { may: ['mailbox', 'jobs', 'ledger', 'progress'] },
  worker: {
    may: [
      'mailbox',
      'protocols',
      'conversion',
      'sources',
      'destinations',
      'database',
      'ledger',
      'transfer',
      'providers',
      'panel',
      'credentials',
      'queue',
      'jobs',
      'batches',
      'progress',
      'reports',
    ],
  },
  web: {
    may: [
      'mailbox',
      'panel',
      'credentials/seal',
      'credentials/keyring',
      'jobs',
      'batches',
      'progress',
      'reports',
      'providers',
      'queue',
    ],
  },
  // The standalone host stands outside: it sees what any panel sees (the plugin's front door) and the shared words.
  standalone: { may: ['mailbox', 'panel', 'jobs', 'database'] },
};

/** Files directly in src/: what they may import. `*` is every room but those in `not`. */
export const FRONT_DOOR = {
  'index.ts': [
    'migration.plugin.ts',
    'migration-worker.module.ts',
    'plugin-options.ts',
    'plugin-manifest.ts',
    'panel',
    'mailbox',
  ],
  'main.ts': ['migration.plugin.ts', 'plugin-options.ts', 'standalone', 'database'],
  'worker.ts': ['migration-worker.module.ts', 'plugin-options.ts', 'standalone', 'database'],
  'cli.ts': ['standalone', 'database', 'plugin-options.ts', 'panel', 'credentials', 'queue'],
  'migration.plugin.ts': [
    'plugin-core.module.ts',
    'plugin-options.ts',
    'web',
    'jobs',
    'batches',
    'progress',
    'reports',
    'queue',
    'database',
  ],
  'migration-worker.module.ts': ['plugin-core.module.ts', 'plugin-options.ts', 'worker', 'jobs'],
  'plugin-core.module.ts': ['plugin-options.ts', 'plugin-manifest.ts', 'jobs', 'queue', 'panel', 'database'],
  'plugin-options.ts': ['panel', 'mailbox'],
  'plugin-manifest.ts': ['panel'],
};
