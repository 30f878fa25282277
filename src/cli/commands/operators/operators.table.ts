import type { Command } from '../../command.ts';

const NAME = { name: 'NAME', required: true, summary: 'who it is' } as const;

/** Commands about the people who use the dashboard. */
export const operatorCommands: readonly Command[] = [
  {
    name: 'operators create',
    summary: 'make an account for the dashboard',
    about:
      'Prints a code for the first login, which counts once and for a day; with it the person chooses a password. No account has a password before that.',
    positionals: [NAME],
    options: { role: { type: 'text', value: 'ROLE', summary: 'viewer reads, operator acts (default: viewer)' } },
    changes: true,
    examples: ['countersign operators create ana --role operator'],
    load: async () => (await import('./operators.ts')).operatorsCreate,
  },
  {
    name: 'operators list',
    summary: 'accounts for the dashboard',
    about: 'Nothing of a password or a second factor is shown.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign operators list'],
    load: async () => (await import('./operators.ts')).operatorsList,
  },
  {
    name: 'operators disable',
    summary: 'shut an account, and end its sessions, tokens and grants',
    about:
      'It is shut at the next request, on every replica, the session tokens that it made are revoked, and OAuth clients that it let in have to ask again. `operators reset` opens it again.',
    positionals: [NAME],
    options: {},
    changes: true,
    examples: ['countersign operators disable ana --reason "left the team"'],
    load: async () => (await import('./operators.ts')).operatorsDisable,
  },
  {
    name: 'operators reset',
    summary: 'back to the first login: no password, no second factor, no session',
    about:
      'For whoever lost the one or the other. Prints a new code for the first login; --role changes the role as well; with viewer the session tokens that an operator made are revoked. OAuth clients that the account let in have to ask again. An account from an OpenID provider is opened again, for whoever has its name there now.',
    positionals: [NAME],
    options: { role: { type: 'text', value: 'ROLE', summary: 'viewer or operator (default: as it was)' } },
    changes: true,
    examples: ['countersign operators reset ana'],
    load: async () => (await import('./operators.ts')).operatorsReset,
  },
];
