import type { Command } from '../../command.ts';

const orders = { options: {}, changes: true } as const;

/** Commands that turn enforcement on step by step. */
export const rampCommands: readonly Command[] = [
  {
    name: 'ramp plan',
    summary: 'propose in which steps to enforce, from what was recorded',
    about:
      'Writes a plan as YAML: the routes at which nobody who is known would be refused come first, for a tenth of the callers and then for all; then those that nobody asked for; last, and by hand, those at which somebody is to be mended first, each named. Edit it as you like.',
    positionals: [],
    options: {
      since: { type: 'text', value: 'DURATION', summary: 'how far back to look: 24h, 7d (default: 24h)' },
      out: {
        type: 'text',
        value: 'FILE',
        summary: 'write it there, readable by you only; a file that exists is left alone',
      },
      force: {
        type: 'flag',
        summary: 'write over a file that exists; the old one stays as FILE.before-ramp-plan-TIME',
      },
    },
    changes: false,
    examples: ['countersign ramp plan --since 7d --out ramp.yaml'],
    load: async () => (await import('./ramp.ts')).rampPropose,
  },
  {
    name: 'ramp start',
    summary: 'begin with the first step of a plan',
    about:
      'Shows the steps and whom each would refuse today, and enforces the first. From then on the servers do the rest: every interval one of them asks the gates, goes on when a step was watched long enough and every gate says yes, waits when one cannot tell, and rolls the step back when one says no. The refusal of a known caller rolls it back at once, on the replica that sees it before the refusal is sent. Only routes in mode report are touched.',
    positionals: [{ name: 'FILE', required: true, summary: 'the plan' }],
    ...orders,
    examples: [
      'countersign ramp start ramp.yaml --dry-run',
      'countersign ramp start ramp.yaml --reason "agreed with ops"',
    ],
    load: async () => (await import('./ramp.ts')).rampStart,
  },
  {
    name: 'ramp status',
    summary: 'where the ramp is, what its gates say, and who stands in the way',
    about: 'Exit 1 while a step is rolled back or the ramp is paused.',
    positionals: [],
    options: {},
    changes: false,
    examples: ['countersign ramp status', 'countersign ramp status --output json'],
    load: async () => (await import('./ramp.ts')).rampStatus,
  },
  {
    name: 'ramp promote',
    summary: 'go on to the next step now, whatever the gates say',
    about:
      'For steps that wait for a person (promote: manual), and for those that you know better about than the gates.',
    positionals: [],
    ...orders,
    examples: ['countersign ramp promote --reason "the batch job is mended"'],
    load: async () => (await import('./orders.ts')).rampPromote,
  },
  {
    name: 'ramp pause',
    summary: 'stay where it is: nothing follows, and what is enforced stays so',
    about: 'Refusals of known callers still roll their step back.',
    positionals: [],
    ...orders,
    examples: ['countersign ramp pause --reason "release week"'],
    load: async () => (await import('./orders.ts')).rampPause,
  },
  {
    name: 'ramp resume',
    summary: 'go on after a pause, or take up again what was rolled back',
    about: 'The first step that is not passed is enforced and watched anew, from the beginning of its soak.',
    positionals: [],
    ...orders,
    examples: ['countersign ramp resume'],
    load: async () => (await import('./orders.ts')).rampResume,
  },
  {
    name: 'ramp rollback',
    summary: 'take a step back: it is reported again, everywhere and at once',
    about: 'The newest step, or the one that is named, or all of them. What other steps enforce stays.',
    positionals: [{ name: 'STEP', required: false, summary: 'its number, or all (default: the newest)' }],
    ...orders,
    examples: ['countersign ramp rollback', 'countersign ramp rollback all --reason "INC-12"'],
    load: async () => (await import('./orders.ts')).rampRollback,
  },
];
