import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { checkResults, keepCheckResult, type CheckFinding } from './check-result.ts';

const now = 1_800_000_000;
const run = { at: now, by: 'cli:root', from: 'host', summary: '1 finding' };
const finding: CheckFinding = {
  severity: 'high',
  place: '.env:3',
  what: 'open',
  why: 'read by all',
  repair: ['chmod'],
};

test('the last result of each check is kept, and takes the place of the one before', async () => {
  const { records } = memoryStore();
  assert.deepEqual(await checkResults(records, now), []);
  await keepCheckResult(records, { ...run, check: 'doctor', findings: [finding, finding] });
  await keepCheckResult(records, { ...run, check: 'probe', findings: [] });
  await keepCheckResult(records, { ...run, check: 'doctor', at: now + 60, findings: [finding] });
  assert.deepEqual(await checkResults(records, now + 60), [
    { ...run, check: 'doctor', at: now + 60, findings: [finding], omitted: 0 },
    { ...run, check: 'probe', findings: [], omitted: 0 },
  ]);
});

test('however much is found, a result fits into a record and says how much it leaves out', async () => {
  const { records } = memoryStore();
  const long = 'ä'.repeat(5000);
  const huge = { ...finding, place: long, what: long, why: long, repair: Array.from({ length: 500 }, () => long) };
  const { findings, omitted } = await keepCheckResult(records, {
    ...run,
    check: 'doctor',
    findings: Array.from({ length: 3000 }, () => huge),
  });
  assert.ok(findings.length > 0);
  assert.equal(findings.length + omitted, 3000);
  const few = await keepCheckResult(records, {
    ...run,
    check: 'doctor',
    findings: Array.from({ length: 201 }, () => finding),
  });
  assert.deepEqual([few.findings.length, few.omitted], [200, 1]);
});
