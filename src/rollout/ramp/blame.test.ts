import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedByPassed } from './blame.ts';
import { cohort } from './cohort.ts';
import { rampPlan, rampStep } from './ramp.fixtures.ts';
import { promoted, started } from './state.ts';

const place = cohort('salt');
const [early = assert.fail(), late = assert.fail()] = [(at: number) => at < 40, (at: number) => at >= 40].map(
  (isMeant) => Array.from({ length: 99 }, (_, number) => `service:${number}`).find((id) => isMeant(place(id))),
);

const plan = rampPlan({
  steps: [rampStep({ routes: ['canary/*'] }), rampStep({ routes: ['llm/*'], callersPercent: 40 }), rampStep()],
});
const first = started(plan, 'salt', 'operator:test', 0);
const last = promoted(promoted(first, 1, false) ?? assert.fail(), 2, false) ?? assert.fail();

const asked: readonly [service: string, caller: string, isRefused: boolean][] = [
  ['canary', early, true],
  ['canary', late, true],
  ['canary', `${late}?`, true],
  ['llm', early, true],
  ['llm', `${early}?`, true],
  ['llm', late, false],
  ['llm', `${late}?`, false],
  ['npu', early, false],
];
for (const [service, caller, isRefused] of asked)
  test(`${caller} at ${service} ${isRefused ? 'is' : 'is not'} refused by a step that has passed`, () => {
    const asker = { caller, address: '192.0.2.7', service, label: '/run' };
    assert.equal(refusedByPassed(last)(asker), isRefused);
    assert.equal(refusedByPassed(first)(asker), false, 'none has passed');
  });
