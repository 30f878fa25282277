import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RampStep } from './plan.ts';
import { rampPlan, rampStep } from './ramp.fixtures.ts';
import { settledScopes, type Settled } from './settle.ts';
import { started, type StepStatus } from './state.ts';

const routes = ['npu/run', 'npu/stop', 'npu/*', 'llm/*'].map((name) => {
  const [service = '', rule = ''] = name.split('/');
  return { service, label: rule === '*' ? '*' : `/${rule}` };
});

const cases: readonly [of: string, steps: readonly (Partial<RampStep> & { status: StepStatus })[], found: Settled][] = [
  ['every rule of a service', [{ routes: ['npu/*'], status: 'passed' }], { scopes: ['npu'], unsaid: [] }],
  ['one rule', [{ routes: ['npu/run'], status: 'passed' }], { scopes: ['npu/run'], unsaid: [] }],
  [
    'rules of two steps that make a service together',
    [
      { routes: ['npu/run', 'npu/stop'], status: 'passed' },
      { routes: ['npu/*'], status: 'enforced' },
    ],
    { scopes: ['npu'], unsaid: [] },
  ],
  [
    'what has no rule, and one rule',
    [{ routes: ['*/*op', 'llm/*'], status: 'passed' }],
    { scopes: ['npu/stop', 'llm'], unsaid: [] },
  ],
  ['a service without rules', [{ routes: ['llm/*'], status: 'passed' }], { scopes: ['llm'], unsaid: [] }],
  ['a part of the callers', [{ routes: ['*'], callersPercent: 99, status: 'passed' }], { scopes: [], unsaid: [] }],
  [
    'what waits or was rolled back',
    [
      { routes: ['npu/*'], status: 'rolled_back' },
      { routes: ['llm/*'], status: 'waiting' },
    ],
    { scopes: [], unsaid: [] },
  ],
];
for (const [of, steps, found] of cases)
  test(`as modes: ${of}`, () => {
    const state = started(rampPlan({ steps: steps.map(rampStep) }), 'salt', 'operator:test', 0);
    assert.deepEqual(settledScopes({ ...state, steps: steps.map(({ status }) => status) }, routes), found);
  });
