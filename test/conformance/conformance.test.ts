/** The official conformance suite says the same of a server with and without our gateway. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compare, differences, requirementsOf } from './compare.ts';

for (const [revision, scenarios] of [
  ['2025-11-25', 33],
  ['2026-07-28', 50],
] as const)
  it(`every server scenario of ${revision} ends the same through the gateway`, async () => {
    const comparison = await compare(requirementsOf(revision));
    // Fewer would mean that the suite stopped early.
    assert.ok(comparison.direct.size >= scenarios, `${comparison.direct.size} scenarios`);
    assert.deepEqual(differences(comparison), []);
  });
