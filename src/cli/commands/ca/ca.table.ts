import type { Command } from '../../command.ts';

/** Commands about the internal CA. */
export const certificateCommands: readonly Command[] = [
  {
    name: 'ca init',
    summary: 'make an internal certificate authority for this stack',
    about:
      'Makes an authority (P-256) whose key is sealed in the store with the master key. It can sign certificates of services only, and name nothing but what it is permitted: SPIFFE ids of the trust domain, host names below --dns and addresses in --network. See docs/mtls.md.',
    positionals: [],
    options: {
      'trust-domain': { type: 'text', value: 'DOMAIN', summary: 'of the SPIFFE ids (default: stack.internal)' },
      dns: {
        type: 'text',
        multiple: true,
        value: 'NAME',
        summary: 'certificates may name it and all below it (default: the trust domain and localhost)',
      },
      network: {
        type: 'text',
        multiple: true,
        value: 'CIDR',
        summary: 'certificates may name addresses in it (default: those of this machine alone)',
      },
      life: { type: 'text', value: 'DURATION', summary: 'how long it lasts (default: 1825d)' },
    },
    changes: true,
    examples: [
      'countersign ca init',
      'countersign ca init --trust-domain example.org --dns svc.cluster.local --network 10.0.0.0/8',
    ],
    load: async () => (await import('./ca.ts')).caInit,
  },
  {
    name: 'ca rotate',
    summary: 'replace the authority by a new one, in two steps',
    about:
      'First a new authority is made with the same settings and trusted beside the old one, which goes on issuing: give `ca bundle` to whoever verifies. When all have it, --finish lets the new one issue, and every kept certificate is renewed by it. Then `ca revoke` takes the old one out of the bundle.',
    positionals: [],
    options: { finish: { type: 'flag', summary: 'the new authority issues from now on' } },
    changes: true,
    examples: ['countersign ca rotate', 'countersign ca rotate --finish'],
    load: async () => (await import('./ca.ts')).caRotate,
  },
  {
    name: 'ca issue',
    summary: 'issue a certificate to a service, into files',
    about:
      'Writes SERVICE.crt, SERVICE.key (readable by you only) and ca.pem into a folder, each whole or not at all. The certificate has the SPIFFE id spiffe://<trust domain>/SERVICE and proves service:SERVICE. The key is kept nowhere else.',
    positionals: [{ name: 'SERVICE', required: true, summary: 'the service that it proves' }],
    options: {
      folder: {
        type: 'text',
        value: 'FOLDER',
        summary: 'where the files go; one that is missing is made (default: here)',
      },
      host: { type: 'text', multiple: true, value: 'HOST', summary: 'a name or address under which it is reached' },
      life: { type: 'text', value: 'DURATION', summary: 'how long it is valid (default: 24h)' },
      usage: { type: 'text', value: 'USAGE', summary: 'client, server or both (default: both)' },
    },
    changes: true,
    examples: ['countersign ca issue embeddings --folder /etc/embeddings/tls --host embeddings.stack.internal'],
    load: async () => (await import('./ca.ts')).caIssue,
  },
  {
    name: 'ca renew',
    summary: 'renew the certificates that the configuration keeps in files',
    about:
      'What a running server does by itself every minute: each of `certificates` is issued anew when a third of its life is left, its names changed, it was revoked or its authority issues no more. Exit 1 when one could not be renewed.',
    positionals: [{ name: 'SERVICE', required: false, summary: 'only this one' }],
    options: { due: { type: 'flag', summary: 'only those that are due (default: all)' } },
    changes: true,
    examples: ['countersign ca renew --due', 'countersign ca renew embeddings'],
    load: async () => (await import('./ca.ts')).caRenew,
  },
  {
    name: 'ca list',
    summary: 'which authorities are trusted, and which certificates are in use',
    about: 'Shows what has not expired, revoked certificates too.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign ca list', 'countersign ca list --output json'],
    load: async () => (await import('./list.ts')).caList,
  },
  {
    name: 'ca bundle',
    summary: 'print the authorities that are trusted, as PEM',
    about: 'For whoever verifies certificates of this stack. While the authority is rotated it holds both.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign ca bundle > ca.pem'],
    load: async () => (await import('./list.ts')).caBundle,
  },
  {
    name: 'ca revoke',
    summary: 'end a certificate before its time, or take an old authority out of the bundle',
    about:
      'Every listener of the stack refuses the certificate within a moment, and streams that it opened are closed. Others who verify certificates do not hear of it: there the short life is what counts.',
    positionals: [{ name: 'SERIAL', required: true, summary: 'as ca list shows it' }],
    options: {},
    changes: true,
    examples: ['countersign ca revoke 1ab2c3d4e5f60718293a4b5c6d7e8f901'],
    load: async () => (await import('./list.ts')).caRevoke,
  },
];
