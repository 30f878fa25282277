import type { Command } from '../../command.ts';

const kindOption = { type: 'text', value: 'KIND' } as const;
const expires = {
  type: 'text',
  value: 'DURATION',
  summary: 'when it ends, from now: 90d, 24h (default: it has no end)',
} as const;

export const place = {
  type: 'text',
  value: 'PLACE',
  summary:
    'instead of standard output: a FILE (a .env file if it is called so), or redis, for the string service:key:<name> that deployed verifiers read',
} as const;

export const scope = {
  type: 'text',
  multiple: true,
  value: 'SCOPE',
  summary: 'a scope it carries; may be given several times',
} as const;

export const allowedIp = {
  type: 'text',
  multiple: true,
  value: 'CIDR',
  summary: 'where it may be used from; may be given several times (default: anywhere)',
} as const;

/** Commands about the keys of services. */
export const keyCommands: readonly Command[] = [
  {
    name: 'keys create',
    summary: 'make a key for a calling service, shown once',
    about:
      'The key proves that the caller is SERVICE. It goes to standard output once and is kept only as a digest (sk), sealed (hs) or as its public half (ed25519), so it cannot be shown again. A running server takes it at once. Any name may be a caller, but one that is nearly that of a service or caller of the configuration is taken for a slip: name it under `callers` where it is meant.',
    positionals: [{ name: 'SERVICE', required: true, summary: 'the service that will call with it' }],
    options: {
      kind: {
        ...kindOption,
        summary:
          'sk: API key (default); hs: HMAC secret, for signatures (default with --to redis); ed25519: key pair, for HTTP signatures',
      },
      expires,
      to: place,
      scope,
      'allowed-ip': allowedIp,
    },
    changes: true,
    examples: [
      'countersign keys create hybrid-coordinator --expires 90d',
      '(umask 077 && countersign keys create aidb --kind hs > aidb.key)',
      'countersign keys create aidb --to redis',
    ],
    load: async () => (await import('./keys.ts')).keysCreate,
  },
  {
    name: 'keys list',
    summary: 'all keys of the store, without their secrets',
    about:
      'Shows the id, the service, the last four characters, where each key stands (current, pending or previous), how long it lives, and who used it last from where. Secrets are never shown.',
    positionals: [{ name: 'SERVICE', required: false, summary: 'only keys of this service' }],
    options: { all: { type: 'flag', summary: 'also revoked and expired ones' } },
    changes: false,
    examples: ['countersign keys list', 'countersign keys list aidb --all --output json'],
    load: async () => (await import('./list.ts')).keysList,
  },
  {
    name: 'keys revoke',
    summary: 'end a key at once, everywhere',
    about:
      'The key is refused from now on, open streams that it opened are closed, and it stays dead even when it is found again in a file. Give the id, or the whole key on standard input: that also ends a key that is only in a file.',
    positionals: [
      {
        name: 'ID',
        required: false,
        summary: 'the id that `keys list` shows; without it the key is read from standard input',
      },
    ],
    options: {},
    changes: true,
    examples: ['countersign keys revoke 4fTq0ZkP1a', 'countersign keys revoke < /run/secrets/old_api_key'],
    load: async () => (await import('./keys.ts')).keysRevoke,
  },
  {
    name: 'keys import',
    summary: 'take over a key that exists already, from standard input',
    about:
      'For keys that were made elsewhere (64 hex characters, say): callers keep theirs. The key is read from standard input; a newline at its end is not part of it.',
    positionals: [{ name: 'SERVICE', required: true, summary: 'the service that calls with it' }],
    options: {
      kind: {
        ...kindOption,
        summary:
          'sk: API key; hs: HMAC secret; ed25519: public half of a key pair, as PEM. Required, for the key does not tell',
      },
      expires,
    },
    changes: true,
    examples: ['countersign keys import aidb --kind hs < /run/secrets/aidb.key'],
    load: async () => (await import('./keys.ts')).keysImport,
  },
];
