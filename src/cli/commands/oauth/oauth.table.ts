import type { Command } from '../../command.ts';

/** Commands about the embedded authorization server itself. */
export const oauthCommands: readonly Command[] = [
  {
    name: 'oauth keys',
    summary: 'keys that sign access tokens, and since when',
    about:
      'One signs; those before it verify on until they end, and one that comes next is there to be seen a day ahead.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign oauth keys'],
    load: async () => (await import('./oauth.ts')).oauthKeys,
  },
  {
    name: 'oauth rotate',
    summary: 'replace the key that signs access tokens before its time',
    about:
      'The new key is in the key set at once and signs in a minute; the ones before verify until they end, so nobody notices. With --withdraw, for a key that somebody else may have, it signs at once and all before it are gone: every access token that they signed is dead within a second, and clients get new ones with their refresh tokens.',
    positionals: [],
    options: { withdraw: { type: 'flag', summary: 'the keys before verify no more' } },
    changes: true,
    examples: ['countersign oauth rotate', 'countersign oauth rotate --withdraw --reason "the host was stolen"'],
    load: async () => (await import('./oauth.ts')).oauthRotate,
  },
];
