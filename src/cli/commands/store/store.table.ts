import type { Command } from '../../command.ts';

/** Commands about the store as a whole. */
export const storeCommands: readonly Command[] = [
  {
    name: 'store status',
    summary: 'does the store answer, and is its schema up to date',
    about:
      'Changes nothing. Says which steps of the schema are missing, and how many session tokens of a table that is there already would be taken over. Exit 1 when something is wanting, 3 when the store does not answer or takes no writes.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign store status', 'countersign store status --output json'],
    load: async () => (await import('./store.ts')).storeStatus,
  },
  {
    name: 'store migrate',
    summary: "make the store's schema, or bring it up to date",
    about:
      'Takes the steps that are missing, all or none. Safe with several starting at once, beside running servers and when nothing is to be done. A table auth_tokens that is there already is taken over with its rows. Other commands make a schema where there is none, but never change one that is behind.',
    positionals: [],
    options: {},
    changes: true,
    examples: ['countersign store migrate --dry-run', 'countersign store migrate'],
    load: async () => (await import('./store.ts')).storeMigrate,
  },
  {
    name: 'store sql',
    summary: 'the schema for Postgres as SQL, to be run by hand',
    about:
      'Prints it and asks no store: for the SQL editor of a Supabase project, whose HTTP interface makes no schema, and for databases where only somebody else may make tables. All steps that are missing, in one transaction; run again it does nothing.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign store sql > schema.sql'],
    load: async () => (await import('./store.ts')).storeSql,
  },
];
