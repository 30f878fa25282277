import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../faults.ts';
import { parseConfig } from '../load/load.ts';
import { parseRampPlan, rampGround } from './ramp-file.ts';

const now = Date.UTC(2026, 10, 25) / 1000;
const config = parseConfig(
  `services:
  embeddings: { upstream: http://127.0.0.1:9001, routes: [{ path: /embed }, { path: /health, access: public }] }
  aidb: { upstream: http://127.0.0.1:9002 }
`,
  { file: null, env: {} },
);
const ground = rampGround(config, now);

function faultsOf(text: string): string {
  try {
    parseRampPlan(text, 'ramp.yaml', ground);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.format();
  }
  return assert.fail('it was taken');
}

test('the ground is every rule that asks somebody, and all that has none', () => {
  assert.deepEqual(
    ground.routes.map(({ service, label }) => `${service} ${label}`),
    ['embeddings /embed', 'embeddings *', 'aidb *'],
  );
});

test('a plan of the least words has careful defaults', () => {
  assert.deepEqual(parseRampPlan('steps: [{ routes: [embeddings/*] }]', null, ground), {
    name: 'ramp',
    intervalSeconds: 60,
    minSamples: 20,
    failureLimit: 0,
    consecutiveSuccessLimit: 3,
    inconclusiveLimit: null,
    gates: {
      claims: 'count',
      upstreamErrors: null,
      decisionMicros: null,
      answerMicros: null,
      clockSkewSeconds: 120,
      keyExpiry: true,
      health: null,
    },
    steps: [{ routes: ['embeddings/*'], callersPercent: 100, soakSeconds: 1800, promote: 'auto' }],
    exempt: [],
  });
});

test('a plan says everything in the words of people', () => {
  const plan = parseRampPlan(
    `soak: 5m
gates: { upstreamErrors: 2.5%, decisionTime: 5ms, answerTime: 2s, clockSkew: 1m, health: 'http://127.0.0.1:9000/health' }
steps:
  - { routes: [embeddings/embed], callers: 10%, promote: manual }
  - { routes: ['*'], soak: 1h }
exempt:
  - { caller: old, routes: [aidb/*], until: 2026-12-31, owner: ops, reason: batch }
`,
    null,
    ground,
  );
  assert.deepEqual(
    [plan.gates.upstreamErrors, plan.gates.decisionMicros, plan.gates.answerMicros, plan.gates.clockSkewSeconds],
    [0.025, 5000, 2_000_000, 60],
  );
  assert.deepEqual(
    plan.steps.map((step) => [step.callersPercent, step.soakSeconds, step.promote]),
    [
      [10, 300, 'manual'],
      [100, 3600, 'auto'],
    ],
  );
  assert.deepEqual([plan.exempt[0]?.caller, plan.exempt[0]?.until], ['service:old', Date.UTC(2026, 11, 31) / 1000]);
});

const slips: readonly [what: string, text: string, said: RegExp][] = [
  ['no steps', 'name: x', /^ramp\.yaml:1:1: "steps" is missing/],
  ['an unknown key', 'steps: [{ route: [a] }]', /^ramp\.yaml:1:11: .*did you mean "routes"\?$/m],
  [
    'a route that is not there',
    'steps:\n  - { routes: [embedings/*] }',
    /^ramp\.yaml:2:\d+: "embedings\/\*" means no route/,
  ],
  ['a public route', 'steps: [{ routes: [embeddings/health] }]', /means no route that is there/],
  ['no per cent', 'steps: [{ routes: ["*"], callers: 0% }]', /write whole per cent/],
  ['too many of them', 'steps: [{ routes: ["*"], callers: 101% }]', /write whole per cent/],
  ['an exemption that is over', exemption('caller: old', '2026-11-24'), /2026-11-24 is over/],
  ['an exemption for nobody', exemption('', '2026-12-24'), /for a caller or for addresses/],
  [
    'an exemption for a caller at an address',
    exemption('caller: old, allowedIps: [10.0.0.0/8]', '2026-12-24'),
    /one of them/,
  ],
  ['an exemption for no address', exemption('allowedIps: [ten]', '2026-12-24'), /"ten" is not an IP address/],
  [
    'a health page of another kind',
    'gates: { health: file:///etc/passwd }\nsteps: [{ routes: ["*"] }]',
    /write the address/,
  ],
  [
    'a health page with a password, which would be kept and shown',
    'gates: { health: "http://probe:s3cret@127.0.0.1/" }\nsteps: [{ routes: ["*"] }]',
    /"health" holds a name and a password(?!.*s3cret)/,
  ],
];

test('a plan that no store could keep is refused', () => {
  const one = `{ caller: ${'c'.repeat(400)}, routes: ['*'], until: 2026-12-31, owner: ${'o'.repeat(400)}, reason: r }`;
  const text = `steps: [{ routes: ['*'] }]\nexempt:\n${`  - ${one}\n`.repeat(300)}`;
  assert.match(faultsOf(text), /the plan is larger than 128 KiB/);
});

function exemption(whom: string, until: string): string {
  return `steps: [{ routes: ['*'] }]\nexempt: [{ ${whom}${whom === '' ? '' : ', '}routes: ['*'], until: ${until}, owner: o, reason: r }]`;
}

for (const [what, text, said] of slips)
  test(`is refused with its place: ${what}`, () => assert.match(faultsOf(text), said));
