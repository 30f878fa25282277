import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rampPlan, rampStep } from './ramp.fixtures.ts';
import {
  isMishap,
  paused,
  promoted,
  resumed,
  rolledBack,
  started,
  wasKept,
  type RampState,
  type StepStatus,
} from './state.ts';

const [e, p, r, w]: readonly [StepStatus, StepStatus, StepStatus, StepStatus] = [
  'enforced',
  'passed',
  'rolled_back',
  'waiting',
];

/** Three steps, of which the one at `step` is under way or to be taken up again. */
function at(status: RampState['status'], step: number, ...steps: readonly StepStatus[]): RampState {
  const plan = rampPlan({ steps: [rampStep(), rampStep(), rampStep()] });
  const begun = { ...started(plan, 'salt', 'operator:test', 10), successes: 2, inconclusive: 1, findings: ['before'] };
  return { ...begun, status, step, steps };
}

const seen = (state: RampState | null) => state && [state.status, state.step, ...state.steps];

test('the first step is tried at once', () => {
  assert.deepEqual(seen(started(rampPlan({ steps: [rampStep(), rampStep()] }), 'salt', 'operator:test', 10)), [
    'running',
    0,
    e,
    w,
  ]);
});

const cases: readonly [of: string, found: RampState | null, wanted: ReturnType<typeof seen>][] = [
  ['promoted: the next is tried', promoted(at('running', 0, e, w, w), 20, false), ['running', 1, p, e, w]],
  ['promoted by itself while paused', promoted(at('paused', 0, e, w, w), 20, false), ['paused', 1, p, e, w]],
  ['promoted by hand while paused', promoted(at('paused', 0, e, w, w), 20, true), ['running', 1, p, e, w]],
  ['promoted: the last is done', promoted(at('running', 2, p, p, e), 20, false), ['finished', 2, p, p, p]],
  ['promoted: what has passed stays', promoted(at('running', 0, e, p, e), 20, false), ['running', 2, p, p, e]],
  ['promoted: all others have passed', promoted(at('running', 0, e, p, p), 20, false), ['finished', 0, p, p, p]],
  ['promoted: none is tried', promoted(at('stopped', 1, p, r, w), 20, true), null],
  ['paused', paused(at('running', 1, p, e, w), []), ['paused', 1, p, e, w]],
  ['paused twice', paused(at('paused', 1, p, e, w), []), null],
  ['resumed where it was paused', resumed(at('paused', 1, p, e, w), 20), ['running', 1, p, e, w]],
  ['resumed where it was stopped', resumed(at('stopped', 1, p, r, w), 20), ['running', 1, p, e, w]],
  ['resumed where an earlier step was taken back', resumed(at('stopped', 0, r, p, e), 20), ['running', 0, e, p, e]],
  ['resumed after it was withdrawn', resumed(at('withdrawn', 0, r, r, w), 20), ['running', 0, e, r, w]],
  ['resumed while it runs', resumed(at('running', 0, e, w, w), 20), null],
  ['resumed when all is done', resumed(at('finished', 2, p, p, p), 20), null],
  ['rolled back: the others stay', rolledBack(at('running', 1, p, e, w), 1, []), ['stopped', 1, p, r, w]],
  ['rolled back: none is left', rolledBack(at('running', 0, e, w, w), 0, []), ['withdrawn', 0, r, w, w]],
  ['rolled back: all', rolledBack(at('running', 1, p, e, w), 'all', []), ['withdrawn', 0, r, r, w]],
  ['rolled back: one that has passed', rolledBack(at('running', 1, p, e, w), 0, []), ['stopped', 0, r, e, w]],
  ['rolled back: one that waits', rolledBack(at('running', 1, p, e, w), 2, []), null],
  ['rolled back twice', rolledBack(at('stopped', 1, p, r, w), 1, []), null],
];
for (const [of, found, wanted] of cases) test(of, () => assert.deepEqual(seen(found), wanted));

test('a step is watched anew when it is promoted or taken up again, and modes of before count again by hand alone', () => {
  const watched = ({ since, lookedAt, successes, inconclusive, findings }: RampState) => [
    [since, lookedAt, successes, inconclusive],
    findings,
  ];
  const byItself = promoted(at('running', 0, e, w, w), 20, false) ?? assert.fail();
  const byHand = promoted(at('running', 0, e, w, w), 20, true) ?? assert.fail();
  const again = resumed(at('stopped', 1, p, r, w), 20) ?? assert.fail();
  for (const state of [byItself, byHand, again]) assert.deepEqual(watched(state), [[20, 20, 0, 0], []]);
  assert.deepEqual([byItself.orderedAt, byHand.orderedAt, again.orderedAt], [10, 20, 20]);
});

const mishaps: readonly [reason: string, skewSeconds: number | null, is: boolean][] = [
  ['expired', null, true],
  ['invalid_signature', 0, true],
  ['revoked', null, false],
  ['replayed', 0, false],
  ['not_found', null, false],
  ['timestamp_outside_window', -26 * 3600, true],
  ['timestamp_outside_window', -26 * 3600 - 1, false],
  ['timestamp_outside_window', 90 * 86_400, true],
  ['expired', -90 * 86_400, true],
];
for (const [reason, skewSeconds, is] of mishaps)
  test(`${reason} at ${skewSeconds ?? 'no'} s ${is ? 'speaks' : 'does not speak'} against enforcing`, () => {
    assert.equal(isMishap(reason, wasKept(skewSeconds)), is);
  });
