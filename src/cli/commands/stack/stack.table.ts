import type { Command } from '../../command.ts';

/** Commands about the stack as a whole. */
export const stackCommands: readonly Command[] = [
  {
    name: 'demo',
    summary: 'see it work: real services, a real MCP server and client, behind the gateway',
    about:
      'Starts an MCP server and four small AI services on free ports of this machine, puts the gateway before them and calls them with every kind of credential, right and wrong: first in report mode, then in enforce. Ends by itself and leaves nothing behind. Exit 0 only if every answer was as expected.',
    positionals: [],
    options: { keep: { type: 'flag', summary: 'leave it running until Ctrl-C, and say what to try' } },
    changes: false,
    examples: ['countersign demo', 'countersign demo --keep'],
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'init',
    summary: 'write a configuration to start from',
    about:
      'Writes countersign.yaml in mode report, in which nothing is refused yet, and the folder .countersign/ for the store and the keys of this machine. Files that exist are left alone unless --force is given.',
    positionals: [],
    options: {
      name: { type: 'text', value: 'NAME', summary: "the stack's name (default: the folder's name)" },
      'admin-token': {
        type: 'flag',
        summary: 'also make an admin token, in .countersign/admin_token, readable by you only',
      },
      'mcp-config': {
        type: 'text',
        value: 'FILE',
        summary: 'serve the MCP servers of this file, which desktop clients use, in place of example services',
      },
      force: {
        type: 'flag',
        summary: 'write over a configuration that exists; the old one stays as FILE.before-init-TIME',
      },
    },
    changes: true,
    examples: ['countersign init --admin-token', 'countersign init --mcp-config ~/.config/mcp.json'],
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'serve',
    summary: 'run the gateway and the authority',
    about:
      'Guards the services of the configuration on `listen`, with the token API, forward auth, health and metrics beside them, and the admin endpoints on `adminListen`. Decisions go to standard output as JSON lines. SIGHUP, or a change of the file, reloads the configuration; a broken one is refused and the last good one stays; with --workers every worker is replaced by a new one, one after the other, and no request is lost. SIGTERM and SIGINT finish what is under way; a second one ends at once.',
    positionals: [],
    options: {
      'allow-unauthenticated': {
        type: 'flag',
        summary: 'dev mode: let everyone through, on loopback only; every response says so',
      },
      'no-migrate': {
        type: 'flag',
        summary: 'refuse to start on a store whose schema is behind, instead of bringing it up to date',
      },
      'mcp-config': {
        type: 'text',
        value: 'FILE',
        summary: 'serve the MCP servers of this file too, which desktop clients use: {"mcpServers": …}',
      },
      workers: {
        type: 'text',
        value: 'N',
        summary:
          'serve with N processes, to use N cores; needs a store that they can share (default: this one process)',
      },
      'drain-seconds': {
        type: 'text',
        value: 'SECONDS',
        summary: 'how long requests under way may take after SIGTERM (default: 10)',
      },
    },
    changes: false,
    examples: [
      'countersign serve',
      'countersign serve --workers 4',
      'countersign serve --mcp-config ~/.config/mcp.json',
      'AUTH_ADMIN_TOKEN_FILE=.countersign/admin_token countersign serve',
    ],
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'validate',
    summary: 'check the configuration, and say what to write instead',
    about:
      'Reads the configuration as serve would, and names every fault with file, line, column and a remedy. Exit 0 when serve would take it, 1 when not.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign validate', 'countersign validate --config /etc/countersign/countersign.yaml --output json'],
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    name: 'status',
    summary: 'is everything in order: configuration, store, keys, modes',
    about:
      'Reads the configuration and the store and says what is wanting: key files that are not used, keys that end soon and have no successor, certificates that should have been renewed, enforcing without any key, a ramp that stands still or was taken back. Exit 1 when something is.',
    positionals: [],
    options: {
      'expiring-within': { type: 'text', value: 'DURATION', summary: 'when an end counts as soon (default: 14d)' },
    },
    changes: false,
    examples: ['countersign status', 'countersign status --expiring-within 30d --output json'],
    load: async () => (await import('./status.ts')).status,
  },
];
