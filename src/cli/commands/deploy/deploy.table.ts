import type { Command, Option } from '../../command.ts';

const keys: Option = {
  type: 'text',
  value: 'DIR',
  summary: 'take the keys from <service>.key or <service>.env files here, not from the store',
};
const only: Option = {
  type: 'text',
  multiple: true,
  value: 'SERVICE',
  summary: 'only the key of this service; may be given several times (default: all that have one)',
};
const to: Option = { type: 'text', value: 'DIR', summary: 'where the files go; made when it is missing' };
const rollback: Option = {
  type: 'flag',
  summary: 'put back, byte for byte, what the files of --only held before their newest change',
};

/** Commands that bring keys to where services read them. */
export const deployCommands: readonly Command[] = [
  {
    name: 'deploy env',
    summary: 'write <service>.env files with HMAC secrets on this machine, with a way back',
    about:
      'Writes SERVICE_ID and SERVICE_KEY, the newest HMAC secret of each service in the store, into <service>.env, mode 0600. A file is replaced whole, goes on belonging to whom it belonged, and keeps its other lines; what it held before is kept below .former. A second run changes nothing. API keys cannot be delivered so: nobody has more than their digests.',
    positionals: [],
    options: { to, keys, only, rollback },
    changes: true,
    examples: [
      'countersign deploy env --to /etc/autobot/service-keys',
      'countersign deploy env --to /etc/autobot/service-keys --only aidb --rollback',
    ],
    load: async () => (await import('./env.ts')).deployEnv,
  },
  {
    name: 'deploy docker',
    summary: 'write secret files and a Compose fragment that mounts them, with a way back',
    about:
      "Writes the newest HMAC secret of each service in the store into secrets/<service>_service_key, mode 0600, and compose.secrets.yaml, to be laid over your own Compose file: each service gets its own key alone, as SERVICE_KEY_FILE below /run/secrets, and a label that changes with the key, so that `up -d` makes the container anew. Compose mounts the files as they are: give each to its container's user once, it stays so. A second run changes nothing.",
    positionals: [],
    options: { to, keys, only, rollback },
    changes: true,
    examples: [
      'countersign deploy docker --to /etc/my-stack/keys',
      'countersign deploy docker --to keys --only aidb --only frontend',
    ],
    load: async () => (await import('./docker.ts')).deployDocker,
  },
  {
    name: 'deploy kubernetes',
    summary: 'write Secret manifests and patches that mount them, encrypted for GitOps with --sops',
    about:
      'Writes the newest HMAC secret of each service in the store as a Secret, a patch that mounts it into the Deployment and container of the same name as SERVICE_KEY_FILE, and a Kustomize component of them all. The patch carries an annotation that changes with the key, so that the Deployment rolls. With --sops the Secrets are encrypted for whom .sops.yaml names, as Flux decrypts them; without it they hold the keys in the clear, mode 0600. A second run changes nothing.',
    positionals: [],
    options: {
      to,
      keys,
      only,
      namespace: {
        type: 'text',
        value: 'NAME',
        summary: 'the namespace of Secrets and Deployments (default: none is written)',
      },
      sops: { type: 'flag', summary: 'encrypt the Secrets for the age keys that .sops.yaml names' },
    },
    changes: true,
    examples: [
      'countersign deploy kubernetes --to clusters/main/keys --namespace ai --sops',
      'countersign deploy kubernetes --to keys --only aidb',
    ],
    load: async () => (await import('./kubernetes.ts')).deployKubernetes,
  },
  {
    name: 'deploy ansible',
    summary: 'bring HMAC secrets to many hosts with Ansible, with a way back',
    about:
      'Runs a playbook of the collection countersign.stack for the hosts of your inventory. deploy and rotate bring each service its newest HMAC secret of the store, host after host: clocks first, then the key, the restart and a check; a host that fails is put back and named. verify looks and changes nothing; rollback takes the newest change back. The keys lie in memory here, only while Ansible runs.',
    positionals: [
      { name: 'ACTION', required: true, summary: 'verify, deploy, rotate or rollback' },
      { name: 'ARGUMENT...', required: false, rest: true, summary: 'further arguments for ansible-playbook' },
    ],
    options: {
      inventory: { type: 'text', value: 'FILE', summary: "the inventory; the collection's own is an example to copy" },
      keys,
      limit: { type: 'text', value: 'HOSTS', summary: 'only these hosts, as Ansible has it' },
      retire: { type: 'flag', summary: 'with rotate: end the former keys once every service has proved the new one' },
    },
    changes: true,
    examples: [
      'countersign deploy ansible verify --inventory hosts.yml',
      'countersign deploy ansible deploy --inventory hosts.yml -- --ask-become-pass',
      'countersign deploy ansible rollback --inventory hosts.yml',
    ],
    load: async () => (await import('./ansible.ts')).deployAnsible,
  },
];
