import type { Command } from '../../command.ts';

/** Commands about what is kept of what happened. */
export const auditCommands: readonly Command[] = [
  {
    name: 'audit tail',
    summary: 'the latest decisions or events, one line each',
    about:
      'Oldest first. With --follow it goes on until Ctrl-C. With --events: who changed what, by command line, HTTP and MCP, from where and why. With --output json each line is the decision as it is logged, or the event with its hash.',
    positionals: [],
    options: {
      events: { type: 'flag', summary: 'what was done to the stack, in place of the decisions' },
      follow: { type: 'flag', short: 'f', summary: 'go on with what comes' },
      lines: { type: 'text', short: 'n', value: 'COUNT', summary: 'how many to begin with (default: 20)' },
      since: { type: 'text', value: 'DURATION', summary: 'not from before that: 30m, 24h, 7d' },
      until: { type: 'text', value: 'DURATION', summary: 'not from after that, so long ago' },
      outcome: { type: 'text', value: 'OUTCOME', summary: 'only allow, deny, would_deny or public' },
      service: { type: 'text', value: 'SERVICE', summary: 'only calls of this service' },
      route: { type: 'text', value: 'ROUTE', summary: 'only this route, as the report names it: /embeddings/embed' },
      reason: { type: 'text', value: 'REASON', summary: 'only refusals for this reason: expired' },
      caller: {
        type: 'text',
        value: 'WHO',
        summary: 'only this caller, as the report or a rule names it: service:aidb, aidb, (unnamed)',
      },
      request: { type: 'text', value: 'ID', summary: 'only the request of this id, as the report and the log name it' },
      type: { type: 'text', value: 'TYPE', summary: 'with --events: only these, mode.set for example' },
      actor: { type: 'text', value: 'WHO', summary: 'with --events: only what this one did: cli:root' },
    },
    changes: false,
    examples: [
      'countersign audit tail --follow',
      'countersign audit tail --outcome deny -n 50 --output json',
      'countersign audit tail --request 3f2a9c01-1z',
      'countersign audit tail --events --since 7d',
    ],
    load: async () => (await import('./tail.ts')).auditTail,
  },
  {
    name: 'audit verify',
    summary: 'whether anything recorded was changed, removed or put in',
    about:
      'Walks along the chain of events and the seals over the decisions, to the first one that is not as it was written, and names it. Exit 1 when there is one. That the end was cut off, or all of it written anew, shows only against a head that was kept elsewhere (--head). With --from it verifies an export, and needs no store.',
    positionals: [],
    options: {
      head: { type: 'text', value: 'FILE', summary: 'a head that `audit head` wrote' },
      key: { type: 'text', value: 'FILE', summary: 'public key (PEM) of the head (default: that of this stack)' },
      from: { type: 'text', value: 'FILE', summary: 'an export in place of the store' },
      partial: { type: 'flag', summary: 'it begins later on purpose: exported with --since' },
      events: { type: 'flag', summary: 'the events alone: decisions and their seals are not looked at' },
    },
    changes: false,
    examples: [
      'countersign audit verify',
      'countersign audit verify --head audit-head.json',
      'countersign audit verify --from audit.jsonl --head audit-head.json --key audit.pub',
    ],
    load: async () => (await import('./verify.ts')).auditVerify,
  },
  {
    name: 'audit head',
    summary: 'where the audit ends now, signed',
    about:
      'Prints how far the chains have come, with an Ed25519 signature. Keep it where nobody reaches it who reaches the store: by it `audit verify` sees what was cut off or written anew. The key is $COUNTERSIGN_AUDIT_KEY (PEM; _FILE works), else audit.key beside the master key, made when it is first needed.',
    positionals: [],
    options: { out: { type: 'text', value: 'FILE', summary: 'write it there' } },
    changes: false,
    examples: ['countersign audit head --out audit-head.json'],
    load: async () => (await import('./head.ts')).auditHead,
  },
  {
    name: 'audit export',
    summary: 'events, seals and decisions as JSON lines',
    about:
      'Each event and seal with its hash, then each decision with all that is kept of it. What `audit verify --from` takes. A file is made readable by you only, and none is written over.',
    positionals: [],
    options: {
      since: { type: 'text', value: 'DURATION', summary: 'only from then on: 24h, 30d (default: all)' },
      events: { type: 'flag', summary: 'the events alone' },
      format: { type: 'text', value: 'FORM', summary: 'jsonl, which is the default' },
      out: { type: 'text', value: 'FILE', summary: 'write it there' },
    },
    changes: false,
    examples: ['countersign audit export --out audit.jsonl', 'countersign audit export --since 30d --events'],
    load: async () => (await import('./export.ts')).auditExport,
  },
];
