import type { Command, Option } from '../../command.ts';

export const bundleOption: Option = {
  type: 'text',
  value: 'FILE',
  summary: 'the bundle (default: secrets.sops.yaml beside the configuration)',
};
const name = { name: 'NAME', required: true, summary: 'its name; a "/" leads into a group: database/password' };

/** Commands about the bundle of secrets. */
export const secretCommands: readonly Command[] = [
  {
    name: 'secrets init',
    summary: 'begin an encrypted bundle of secrets, which can be committed',
    about:
      'Writes secrets.sops.yaml, an empty bundle in the format of SOPS, and .sops.yaml, which names who can open it, beside the configuration. The age key that opens it goes to $SOPS_AGE_KEY_FILE (default: ~/.config/sops/age/keys.txt), outside the repository; one that is there already is used. Keep a copy of it: without it the bundle stays shut.',
    positionals: [],
    options: {
      file: bundleOption,
      recipient: {
        type: 'text',
        multiple: true,
        value: 'AGE',
        summary: 'somebody else who can open it, as age1…; may be given several times',
      },
    },
    changes: true,
    examples: ['countersign secrets init', 'countersign secrets init --recipient age1qz…'],
    load: async () => (await import('./init.ts')).secretsInit,
  },
  {
    name: 'secrets set',
    summary: 'put a secret into the bundle, from standard input',
    about:
      'A secret of that name is replaced. All other values keep their encrypted bytes, so that a commit shows what changed. A newline at the end is not part of the secret.',
    positionals: [name],
    options: {
      file: bundleOption,
      generate: { type: 'flag', summary: 'make a random one of 256 bits instead of reading it; it is not shown' },
      'in-clear': { type: 'flag', summary: 'also where the rule of the file leaves that name unencrypted' },
    },
    changes: true,
    examples: ['countersign secrets set aidb_api_key < key', 'countersign secrets set dashboard_api_key --generate'],
    load: async () => (await import('./secrets.ts')).secretsSet,
  },
  {
    name: 'secrets get',
    summary: 'show one secret',
    about: 'Prints the secret, and nothing else, to standard output.',
    positionals: [name],
    options: { file: bundleOption },
    changes: false,
    examples: ['(umask 077 && countersign secrets get aidb_api_key > aidb.key)'],
    load: async () => (await import('./secrets.ts')).secretsGet,
  },
  {
    name: 'secrets list',
    summary: 'the names in the bundle, and who can open it',
    about: 'Shows names and types; values are never shown. What stands in the clear is marked.',
    positionals: [],
    options: { file: bundleOption },
    changes: false,
    examples: ['countersign secrets list', 'countersign secrets list --file deploy/secrets.sops.yaml --output json'],
    load: async () => (await import('./secrets.ts')).secretsList,
  },
  {
    name: 'secrets remove',
    summary: 'take a secret out of the bundle',
    about:
      'Earlier versions of the file still hold it: a secret that was known to somebody must be replaced where it is used.',
    positionals: [name],
    options: { file: bundleOption },
    changes: true,
    examples: ['countersign secrets remove old_api_key'],
    load: async () => (await import('./secrets.ts')).secretsRemove,
  },
  {
    name: 'secrets edit',
    summary: 'edit the bundle in the clear, in your editor',
    about:
      'Opens the decrypted text, with its comments, in $VISUAL or $EDITOR (default: vi). It lies in a folder in memory that only you can read and that is removed afterwards. What did not change keeps its encrypted bytes.',
    positionals: [],
    options: { file: bundleOption },
    changes: true,
    examples: ['countersign secrets edit'],
    load: async () => (await import('./edit.ts')).secretsEdit,
  },
  {
    name: 'secrets rotate',
    summary: 'encrypt the bundle anew, for those whom .sops.yaml names',
    about:
      'Makes a new data key, encrypts every value under it, and gives it to the recipients that .sops.yaml names now: add or remove them there first. Whoever was removed still knows the values of before, so replace these as well.',
    positionals: [],
    options: { file: bundleOption },
    changes: true,
    examples: ['countersign secrets rotate'],
    load: async () => (await import('./secrets.ts')).secretsRotate,
  },
  {
    name: 'secrets run',
    summary: 'run a command that finds the secrets as files in memory',
    about:
      'Each encrypted value becomes a file of its own (0600) in a folder in memory (0700) that is removed when the command ends. The command finds the folder in $SECRETS_DIR and each file in a variable: aidb_api_key in $AIDB_API_KEY_FILE. Nothing secret is in its environment unless asked with --env. Ends with the exit code of the command.',
    positionals: [{ name: 'COMMAND...', required: true, rest: true, summary: 'the command and its arguments' }],
    options: {
      file: bundleOption,
      only: { type: 'text', multiple: true, value: 'NAME', summary: 'only this secret; may be given several times' },
      env: {
        type: 'text',
        multiple: true,
        value: 'NAME',
        summary: 'put this secret into the environment as well, in capitals; may be given several times',
      },
      dir: {
        type: 'text',
        value: 'DIR',
        summary: 'the folder, made by this command (default: one with a random name in $XDG_RUNTIME_DIR or /dev/shm)',
      },
    },
    changes: false,
    examples: [
      'countersign secrets run -- countersign serve',
      'countersign secrets run --only aidb_api_key -- node server.js',
      'countersign secrets run --only grafana_password --env grafana_password -- docker compose up -d',
    ],
    load: async () => (await import('./run.ts')).secretsRun,
  },
];
