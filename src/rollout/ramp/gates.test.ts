import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from './evidence.ts';
import { judge, type Judgement } from './gates.ts';
import type { RampGates, RampPlan } from './plan.ts';
import { rampPlan } from './ramp.fixtures.ts';

/** All is well. */
const well: Evidence = {
  countedFrom: 1_764_000_000,
  allowed: 100,
  upstreamFailures: 0,
  refused: [],
  refusedRequests: 0,
  wouldBeRefused: [],
  strangers: [],
  callers: ['service:web'],
  decisionMicros: 40,
  answers: [{ service: 'npu', micros: 900 }],
  skews: [{ caller: 'service:web', seconds: 2 }],
  endingKeys: [],
  unreadable: 0,
  health: 'well',
};
const gates: RampGates = {
  claims: 'count',
  upstreamErrors: 0.02,
  decisionMicros: 5000,
  answerMicros: 2_000_000,
  clockSkewSeconds: 120,
  keyExpiry: true,
  health: 'http://127.0.0.1:9000/health',
};
const old = { caller: 'service:old', route: 'npu/run', reason: 'expired', requestId: 'one' };
const ending = { service: 'web', id: 'k1', expiresAt: 1_800_000_000, isLast: true };

interface Case {
  readonly of: string;
  readonly plan?: Partial<Omit<RampPlan, 'gates'>> & { readonly gates?: Partial<RampGates> };
  readonly evidence: Partial<Evidence>;
  readonly answer: Judgement['answer'];
  readonly findings: RegExp;
}

const cases: readonly Case[] = [
  { of: 'nothing wrong', evidence: {}, answer: 'success', findings: /^$/ },
  {
    of: 'too few requests',
    evidence: { allowed: 0 },
    answer: 'inconclusive',
    findings:
      /^only 0 requests of proven callers were allowed, of at least 1; they are counted from 2025-11-24T16:00:00Z on$/,
  },
  {
    of: 'counts that cannot be read, and may be of anybody',
    evidence: { unreadable: 2 },
    answer: 'inconclusive',
    findings: /^2 counts in the store cannot be read and are left out: another program changed or wrote them/,
  },
  {
    of: 'a refusal',
    evidence: { refused: [old], refusedRequests: 1 },
    answer: 'failed',
    findings: /^known callers are refused: service:old at npu\/run \(expired\)$/,
  },
  {
    of: 'as many refusals as are put up with',
    plan: { failureLimit: 3 },
    evidence: { refused: [old], refusedRequests: 3 },
    answer: 'success',
    findings: /^$/,
  },
  {
    of: 'one refusal more, of the same caller',
    plan: { failureLimit: 3 },
    evidence: { refused: [old], refusedRequests: 4 },
    answer: 'failed',
    findings: /^known callers are refused/,
  },
  {
    of: 'a caller of the next step',
    evidence: { wouldBeRefused: [old] },
    answer: 'inconclusive',
    findings: /^known callers would be refused next: service:old/,
  },
  {
    of: 'a failure beside what is not known',
    evidence: { allowed: 0, refused: [old], refusedRequests: 1 },
    answer: 'failed',
    findings: /^known callers are refused[^|]*$/,
  },
  { of: 'failures within the limit', evidence: { upstreamFailures: 2 }, answer: 'success', findings: /^$/ },
  {
    of: 'failures of the service',
    evidence: { upstreamFailures: 3 },
    answer: 'failed',
    findings: /^3.0 % .* at most 2.0 %$/,
  },
  { of: 'no decision timed', evidence: { decisionMicros: null }, answer: 'inconclusive', findings: /^no decision/ },
  { of: 'slow decisions', evidence: { decisionMicros: 5001 }, answer: 'failed', findings: /^deciding .* 5001 µs/ },
  {
    of: 'no answer timed',
    evidence: { answers: [{ service: 'npu', micros: null }] },
    answer: 'inconclusive',
    findings: /^no answer of npu was timed$/,
  },
  {
    of: 'slow answers of one service',
    evidence: { answers: [...well.answers, { service: 'llm', micros: 2_000_500 }] },
    answer: 'failed',
    findings: /^llm takes up to 2001 ms to answer, of at most 2000 ms$/,
  },
  {
    of: 'a clock that is behind',
    evidence: { skews: [{ caller: 'service:web', seconds: -121 }] },
    answer: 'inconclusive',
    findings: /^the clock of service:web is 121 s behind$/,
  },
  {
    of: 'a last key that ends',
    evidence: { endingKeys: [ending] },
    answer: 'inconclusive',
    findings: /^the last key of web, k1, ends 2027-01-15T08:00:00Z: countersign keys rotate k1$/,
  },
  {
    of: 'a key that is in use and ends, beside one that lasts',
    evidence: { endingKeys: [{ ...ending, isLast: false }] },
    answer: 'inconclusive',
    findings: /^key k1 of web is in use and ends 2027-01-15T08:00:00Z: see that it reads the one that it has besides$/,
  },
  {
    of: 'a last key that ends in Redis',
    evidence: { endingKeys: [{ ...ending, id: 'redis:web' }] },
    answer: 'inconclusive',
    findings: /^the last key of web, redis:web, ends 2027-01-15T08:00:00Z: countersign keys rotate web --to redis$/,
  },
  {
    of: 'an ill health page',
    evidence: { health: 'it answers 503' },
    answer: 'failed',
    findings: /^http:\S+: it answers 503$/,
  },
  {
    of: 'nothing that is not asked about',
    plan: { gates: { upstreamErrors: null, decisionMicros: null, answerMicros: null, clockSkewSeconds: null } },
    evidence: {
      upstreamFailures: 100,
      decisionMicros: 9e9,
      answers: [],
      skews: [{ caller: 'service:web', seconds: 9e9 }],
    },
    answer: 'success',
    findings: /^$/,
  },
];
for (const { of, plan = {}, evidence, answer, findings } of cases)
  test(`${of}: ${answer}`, () => {
    const judged = judge(rampPlan({ ...plan, gates: { ...gates, ...plan.gates } }), { ...well, ...evidence });
    assert.equal(judged.answer, answer);
    assert.match(judged.findings.join(' | '), findings);
  });

test('however many are in the way, what is kept of them is bounded', () => {
  const many = Array.from({ length: 60 }, (_, number) => ({ ...old, caller: `service:${number}` }));
  const { findings, culprits } = judge(rampPlan(), {
    ...well,
    refused: many,
    refusedRequests: 60,
    wouldBeRefused: [old],
  });
  assert.equal(culprits.length, 50);
  assert.match(findings.join(), /service:9 at npu\/run \(expired\) and 50 more$/);
});
