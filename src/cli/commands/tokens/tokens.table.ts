import type { Command } from '../../command.ts';
import { allowedIp, scope } from '../keys/keys.table.ts';

/** Commands about session tokens, for people and agents. */
export const tokenCommands: readonly Command[] = [
  {
    name: 'tokens create',
    summary: 'make a session token, shown once',
    about:
      'A token is for a person or an agent for a while, a key for a service for good. It is shown once and kept as a digest.',
    positionals: [],
    options: {
      ttl: { type: 'text', value: 'DURATION', summary: 'how long it lives (default: AUTH_TOKEN_TTL hours, else 24h)' },
      scope,
      'allowed-ip': allowedIp,
      client: { type: 'text', value: 'NAME', summary: 'who it is for, for the record' },
    },
    changes: true,
    examples: [
      'countersign tokens create --ttl 8h --client alice',
      'countersign tokens create --scope embed:write --output json',
    ],
    load: async () => (await import('./tokens.ts')).tokensCreate,
  },
  {
    name: 'tokens list',
    summary: 'active session tokens, without their secrets',
    about: 'Newest first. Only what is neither revoked nor expired.',
    positionals: [],
    options: { limit: { type: 'text', value: 'COUNT', summary: 'at most so many (default: 100)' } },
    changes: false,
    examples: ['countersign tokens list'],
    load: async () => (await import('./tokens.ts')).tokensList,
  },
  {
    name: 'tokens show',
    summary: 'one session token: whose, since when, until when',
    about:
      'Revoked and expired ones too, as long as the store keeps them. Without an ID the token is read from standard input.',
    positionals: [{ name: 'ID', required: false, summary: 'the token_id that `tokens list` shows' }],
    options: {},
    changes: false,
    examples: ['countersign tokens show 8a3c6f9e-3b0c-4f7e-9d53-3f1f6f0a2b11'],
    load: async () => (await import('./tokens.ts')).tokensShow,
  },
  {
    name: 'tokens revoke',
    summary: 'end a session token at once',
    about:
      'It is refused from now on, and streams that it opened are closed. Without an ID the token is read from standard input. Tokens that it minted live on: end them with --minted-by.',
    positionals: [{ name: 'ID', required: false, summary: 'the token_id that `tokens list` shows' }],
    options: {
      'minted-by': {
        type: 'text',
        value: 'MINTER',
        summary: 'instead: all live tokens that it minted; a token_id, or a principal such as service:aidb',
      },
      client: {
        type: 'text',
        value: 'CLIENT',
        summary: 'instead: all live tokens that were made for this client, as `tokens list` shows it',
      },
    },
    changes: true,
    examples: [
      'countersign tokens revoke 8a3c6f9e-3b0c-4f7e-9d53-3f1f6f0a2b11',
      'countersign tokens revoke --minted-by service:aidb',
      'countersign tokens revoke --client alice',
    ],
    load: async () => (await import('./tokens.ts')).tokensRevoke,
  },
];
