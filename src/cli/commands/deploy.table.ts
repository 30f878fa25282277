import type { Command } from '../command.ts';

/** Commands that bring keys to where services read them. */
export const deployCommands: readonly Command[] = [
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
      keys: {
        type: 'text',
        value: 'DIR',
        summary: 'take the keys from <service>.key or <service>.env files here, not from the store',
      },
      limit: { type: 'text', value: 'HOSTS', summary: 'only these hosts, as Ansible has it' },
      retire: { type: 'flag', summary: 'with rotate: end the former keys once every service has proved the new one' },
    },
    changes: true,
    examples: [
      'countersign deploy ansible verify --inventory hosts.yml',
      'countersign deploy ansible deploy --inventory hosts.yml -- --ask-become-pass',
      'countersign deploy ansible rollback --inventory hosts.yml',
    ],
    load: async () => (await import('./deploy-ansible.ts')).deployAnsible,
  },
];
