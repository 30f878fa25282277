import type { Command } from '../../command.ts';

/** Commands about clients of the embedded authorization server. */
export const clientCommands: readonly Command[] = [
  {
    name: 'clients create',
    summary: 'make an OAuth client of the embedded authorization server',
    about:
      'Without --redirect-uri and --device it is a machine that asks in its own name (client credentials): it gets a secret, shown once, or proves itself with its own key (--jwks). With them it is the program of a person whom an operator lets in.',
    positionals: [{ name: 'NAME', required: true, summary: 'what operators are shown' }],
    options: {
      'redirect-uri': {
        type: 'text',
        multiple: true,
        value: 'URI',
        summary: 'where answers go, to the letter; may be given several times',
      },
      device: { type: 'flag', summary: 'it may connect by a code that is typed in elsewhere (RFC 8628)' },
      scope: {
        type: 'text',
        multiple: true,
        value: 'SCOPE',
        summary: 'the most it can have; several times for several',
      },
      jwks: {
        type: 'text',
        value: 'FILE',
        summary: 'its public keys as a JWK set: private_key_jwt in place of a secret',
      },
    },
    changes: true,
    examples: [
      'countersign clients create nightly-batch --scope files:read',
      'countersign clients create "Desk app" --redirect-uri http://127.0.0.1/callback',
    ],
    load: async () => (await import('./clients.ts')).clientsCreate,
  },
  {
    name: 'clients list',
    summary: 'OAuth clients, those that registered themselves included',
    about: 'Clients whose id is the address of a document are known to nobody before they come, and are not listed.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign clients list'],
    load: async () => (await import('./clients.ts')).clientsList,
  },
  {
    name: 'clients revoke',
    summary: 'end an OAuth client and all that it was granted',
    about:
      'Its refresh tokens are dead at once, its access tokens and the streams that they hold open within a second. One whose id is an address may ask an operator again after a minute.',
    positionals: [{ name: 'CLIENT_ID', required: true, summary: 'the id that `clients list` shows, or an address' }],
    options: {},
    changes: true,
    examples: ['countersign clients revoke c-5mQ0yqk2m1Zb3yq0X2v9dA'],
    load: async () => (await import('./clients.ts')).clientsRevoke,
  },
];
