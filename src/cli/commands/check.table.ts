import type { Command } from '../command.ts';

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
    },
    changes: false,
    examples: ['countersign probe', 'countersign probe --service aidb --junit probe.xml'],
    load: async () => (await import('./probe.ts')).probe,
  },
];
