import type { Command } from '../../command.ts';

/** Commands that keep the whole state of a stack, and bring it back. */
export const backupCommands: readonly Command[] = [
  {
    name: 'backup',
    summary: 'the whole state as one encrypted file',
    about:
      'Keys (HMAC secrets included), what was revoked, digests of the active tokens, modes, other records, when keys were used, where the audit stood, and the bundle secrets.sops.yaml: one age file that only the recipients open. It needs no master key to be restored; decisions are not in it.',
    positionals: [{ name: 'FILE', required: true, summary: 'where to write it; a file that is there is left alone' }],
    options: {
      recipient: {
        type: 'text',
        multiple: true,
        value: 'AGE1...',
        summary: 'who can open it; may be given several times (default: whom .sops.yaml names for the bundle)',
      },
    },
    changes: true,
    examples: [
      'countersign backup /mnt/backup/stack-2026-11-25.age',
      'countersign backup stack.age --recipient age1qqy3h06e0kaqkzj9xllmthw8kzxnwym5n02sln9wpjd2vppwavnqa3nj4w',
    ],
    load: async () => (await import('./backup.ts')).backup,
  },
  {
    name: 'restore',
    summary: 'bring the state of a backup into the store of the configuration, and prove it',
    about:
      'Fills an empty store of whatever kind, seals HMAC secrets with the master key that counts here, then reads everything back and compares. Refuses a store that holds anything else; what was broken off is completed by another call. What was alive when the backup was made is alive again: revoke anew what you revoked since. --verify only compares: exit 1 when something is missing or different.',
    positionals: [{ name: 'FILE', required: true, summary: 'what `backup` wrote' }],
    options: {
      identity: {
        type: 'text',
        value: 'FILE',
        summary: 'the age key that opens it (default: $SOPS_AGE_KEY_FILE, else where the sops program looks)',
      },
      verify: { type: 'flag', summary: 'change nothing; say whether the store holds all that the backup does' },
    },
    changes: true,
    examples: [
      'countersign restore stack.age --config new/countersign.yaml',
      'countersign restore stack.age --verify --output json',
    ],
    load: async () => (await import('./restore.ts')).restore,
  },
];
