import type { Command } from '../../command.ts';

/** Commands about the routes that are shared by all replicas. */
export const routeCommands: readonly Command[] = [
  {
    name: 'routes publish',
    summary: 'put the routes of this file in force on every replica at once',
    about:
      'Checks the configuration and writes the routes of its services to the store. From then on they count on every process of the stack, in place of those of its own file, within a moment and without a restart; all else of a service (upstream, rateLimit, accept, …) stays as each file has it. What was published before is replaced as a whole.',
    positionals: [],
    options: {},
    changes: true,
    examples: ['countersign routes publish --dry-run', 'countersign routes publish'],
    load: async () => (await import('./routes.ts')).routesPublish,
  },
  {
    name: 'routes show',
    summary: 'which routes are published, and whether this file has others',
    about: 'Shows the published routes, who published them and when. Exit 1 when the file differs from them.',
    positionals: [{ name: 'SERVICE', required: false, summary: 'only this service' }],
    options: {},
    changes: false,
    examples: ['countersign routes show', 'countersign routes show embeddings --output json'],
    load: async () => (await import('./routes.ts')).routesShow,
  },
  {
    name: 'routes withdraw',
    summary: 'let the file of each replica count again',
    about: 'Removes what was published. Every process goes back to the routes of its own file at once.',
    positionals: [],
    options: {},
    changes: true,
    examples: ['countersign routes withdraw'],
    load: async () => (await import('./routes.ts')).routesWithdraw,
  },
];
