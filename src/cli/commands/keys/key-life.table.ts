import type { Command } from '../../command.ts';
import { place } from './keys.table.ts';

/** Commands about the life of a key: replaced, ended, leaked, accounted for. */
export const keyLifeCommands: readonly Command[] = [
  {
    name: 'keys rotate',
    summary: 'replace a key: the new one counts at once, the old one for a while',
    about:
      'Makes a key with the same service, kind, scopes and addresses, and hands it over: to standard output once, to a file, to Redis, or to where `deliver` of the configuration says. Only then is the old key given its end, after --grace; until then both are accepted. One rotation at a time: what was broken off is taken up by running the command again, or the refusal says how.',
    positionals: [
      {
        name: 'NAME|ID',
        required: false,
        summary: 'a caller that has one key, or the id that `keys list` shows; without it --due',
      },
    ],
    options: {
      kind: { type: 'text', value: 'KIND', summary: 'which key of the caller: sk, hs or ed25519' },
      grace: { type: 'text', value: 'DURATION', summary: 'how long the old key is still accepted (default: 24h)' },
      expires: {
        type: 'text',
        value: 'DURATION',
        summary: 'when the new key ends, from now (default: it lives as long as the old one was meant to)',
      },
      to: place,
      deliver: { type: 'flag', summary: 'to where `deliver` of the configuration says that the caller reads it' },
      finish: { type: 'flag', summary: 'the caller has the new key: give the old one its end' },
      anew: { type: 'flag', summary: 'the new key of the last rotation was lost: make another' },
      due: { type: 'flag', summary: 'all keys whose time has come by `rotateEvery`; exit 1 if some are left' },
    },
    changes: true,
    examples: [
      '(umask 077 && countersign keys rotate aidb > aidb.key)',
      'countersign keys rotate aidb --grace 7d --to /etc/aidb/key',
      'countersign keys rotate --due',
    ],
    load: async () => (await import('./rotate.ts')).keysRotate,
  },
  {
    name: 'keys retire',
    summary: 'end a key that was replaced, when nobody uses it any more',
    about:
      'Refuses while the key was used within --unused-for, and says by whom and from where; and for a key that nothing replaces. Ended is ended for good, as by `keys revoke`. With --in it gets an end instead, sooner or later than the one it has.',
    positionals: [{ name: 'ID', required: true, summary: 'the id that `keys list` shows' }],
    options: {
      'unused-for': {
        type: 'text',
        value: 'DURATION',
        summary: 'how long nobody must have used it (default: 24h)',
      },
      in: { type: 'text', value: 'DURATION', summary: 'end it then instead, whoever uses it' },
      force: { type: 'flag', summary: 'end it whoever uses it, and though nothing replaces it' },
    },
    changes: true,
    examples: ['countersign keys retire 4fTq0ZkP1a', 'countersign keys retire 4fTq0ZkP1a --in 48h'],
    load: async () => (await import('./retire.ts')).keysRetire,
  },
  {
    name: 'keys leak',
    summary: 'a key got out: what it opens, what it did, and how to end it',
    about:
      'Says whose it is and whether it is alive, every route that it opens by the configuration, what it was used for by the decisions that are kept, from which addresses, first and last, and the one command that ends it. Give the id or the public prefix (cs_sk_4fTq0ZkP1a), a token_id, or the whole secret on standard input: keys of ours, foreign keys, keys in files, session tokens. Exit 1 while it is alive.',
    positionals: [
      {
        name: 'PREFIX',
        required: false,
        summary: 'an id or public prefix; without it the secret is read from standard input',
      },
    ],
    options: {
      since: { type: 'text', value: 'DURATION', summary: 'how far back decisions are looked through (default: 30d)' },
    },
    changes: false,
    examples: ['countersign keys leak cs_sk_4fTq0ZkP1a', 'countersign keys leak < found-in-a-log.txt'],
    load: async () => (await import('./leak.ts')).keysLeak,
  },
  {
    name: 'keys export',
    summary: 'all keys with digests and uses, never a secret, as JSON',
    about:
      'For audits and for moving to another store: every key that the store knows with its state, its digest (SHA-256 of the key), of a key pair the public half, by whom and from where it was used, and the digests that are revoked. The output is JSON in either form.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign keys export > keys.json'],
    load: async () => (await import('./list.ts')).keysExport,
  },
];
