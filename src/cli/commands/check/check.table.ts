import type { Command } from '../../command.ts';

const record = { type: 'flag', summary: 'keep the result in the store, where the dashboard shows it' } as const;

/** Commands that look for what is wrong with a stack. */
export const checkCommands: readonly Command[] = [
  {
    name: 'probe',
    summary: 'try every protected route of the running server, with and without a credential',
    about:
      'Asks the gateway about every protected route over HTTP: without a credential and with wrong ones the answer must be 401, with right ones in every form that the service takes not 401, and each decision must be in the audit. Nothing reaches a service: the requests are marked, and the gateway judges them without forwarding. The right credentials are made for this and revoked at the end. Exit 0 only when every service is authenticated.',
    positionals: [],
    options: {
      url: { type: 'text', value: 'URL', summary: 'the gateway (default: `listen` of the configuration)' },
      service: {
        type: 'text',
        value: 'SERVICE',
        multiple: true,
        summary: 'only this service; may be given several times',
      },
      'key-file': { type: 'text', value: 'FILE', summary: 'try this key as the right one, instead of making some' },
      junit: { type: 'text', value: 'FILE', summary: 'also write the results as JUnit XML' },
      record,
    },
    changes: false,
    examples: ['countersign probe', 'countersign probe --record', 'countersign probe --service aidb --junit probe.xml'],
    load: async () => (await import('./probe.ts')).probe,
  },
  {
    name: 'doctor',
    summary: 'what is wrong with a stack: secrets in the clear, open ports, stale keys',
    about:
      'Looks through the files of the folder of the configuration, or of FOLDER: keys in the clear, default and placeholder passwords, files that others can read, ports that are published around the gateway, secrets in git and in its history. With a configuration also: keys that end soon or that nobody uses, public routes that nobody calls, clocks that differ, ports that are open to others, OAuth metadata that says something else than is so. Every finding has a place, a severity, a reason and the exact repair; no secret is shown. Exit 1 when something is found.',
    positionals: [{ name: 'FOLDER', required: false, summary: 'where the files of the stack are' }],
    options: {
      fix: { type: 'flag', summary: 'do what is safe: take rights to read from others, add names to .gitignore' },
      accept: {
        type: 'text',
        value: 'ID',
        multiple: true,
        summary: 'note in .doctor-accepted that this finding was dealt with; may be given several times',
      },
      record,
    },
    changes: true,
    examples: ['countersign doctor', 'countersign doctor --fix', 'countersign doctor ./stack --output json'],
    load: async () => (await import('./doctor.ts')).doctor,
  },
];
