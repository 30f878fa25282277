import type { Command } from '../../command.ts';

/** Commands about which routes are judged, and what becomes of the verdict. */
export const modeCommands: readonly Command[] = [
  {
    name: 'mode get',
    summary: 'which mode is in force where, and who set it',
    about:
      'Shows every level that says something: the stack, services, routes. The most specific level wins. What a ramp enforces although the mode says report stands behind them, with the part of the callers for whom it does.',
    positionals: [{ name: 'SERVICE[/PATH]', required: false, summary: 'only this service or route' }],
    options: {},
    changes: false,
    examples: ['countersign mode get', 'countersign mode get embeddings'],
    load: async () => (await import('./mode.ts')).modeGet,
  },
  {
    name: 'mode set',
    summary: 'switch to off, report or enforce, at once and without a restart',
    about:
      'Sets the mode of the stack, of one service or of one route. It takes effect on a running server within a moment and is kept across restarts. off judges nothing; report judges, records and lets pass; enforce refuses. For enforce it says how many requests of the last 24 hours would be refused; with --dry-run it only says so.',
    positionals: [
      { name: 'MODE', required: true, summary: 'off, report or enforce' },
      {
        name: 'SERVICE[/PATH]',
        required: false,
        summary: 'a service, or a route as it is written in the configuration',
      },
    ],
    options: {
      all: { type: 'flag', summary: 'clear every other level, whatever the file says: this mode everywhere' },
    },
    changes: true,
    examples: [
      'countersign mode set enforce embeddings',
      'countersign mode set enforce embeddings/embed',
      'countersign mode set report --all',
    ],
    load: async () => (await import('./mode.ts')).modeSet,
  },
  {
    name: 'mode reset',
    summary: 'forget what was set at run time; the file counts again',
    about: 'Clears the run-time mode of the stack, a service or a route, or every one of them with --all.',
    positionals: [{ name: 'SERVICE[/PATH]', required: false, summary: 'a service or a route (default: the stack)' }],
    options: { all: { type: 'flag', summary: 'every level' } },
    changes: true,
    examples: ['countersign mode reset embeddings', 'countersign mode reset --all'],
    load: async () => (await import('./mode.ts')).modeReset,
  },
];
