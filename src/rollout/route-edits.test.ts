import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Proposal } from './proposal.ts';
import { applyEdits } from './line-diff.ts';
import { routeEdits } from './route-edits.ts';

const evidence = { requests: 50, times: 9, firstSeen: 0, lastSeen: 60, requestId: 'r1' };

/** A file with one rule, written as given, and what narrowing that rule to the caller web makes of it. */
function narrowed(...rule: string[]) {
  const proposal: Proposal = {
    service: 'embeddings',
    kind: 'narrow',
    index: 0,
    path: '/embed',
    methods: null,
    access: null,
    callers: ['web'],
    evidence,
  };
  const text = ['services:', '  embeddings:', '    routes:', ...rule.map((line) => `      ${line}`), ''].join('\n');
  const { edits, lines, byHand } = routeEdits(text, { proposals: [proposal], public_looking: [] });
  const changed: unknown = parse(applyEdits(lines, edits).join('\n'));
  return {
    byHand,
    edits,
    rules: (changed as { services: { embeddings: { routes: object[] } } }).services.embeddings.routes,
  };
}

test('a rule in braces gets its callers behind what stands there last', () => {
  const expected = [{ path: '/embed', access: 'any', callers: ['web'] }];
  for (const rule of [
    ['- { path: /embed, access: any }'],
    ['- {path: /embed, access: any,} # the door'],
    ['- { path: /embed,', '    access: any }'],
    ['- { path: /embed, # the door', '    access: any, }'],
    ['- path: /embed # the door', '  access: any', '# the end'],
  ])
    assert.deepEqual(narrowed(...rule).rules, expected, rule.join('\n'));
});

test('a rule whose closing brace stands on a line of its own is left to its author', () => {
  for (const rule of [
    ['- {', '    path: /embed,', '    access: any,', '  }'],
    ['- {', '    path: /embed,', '    access: any', '  }'],
    ['- { path: /embed, # the door', '    access: any # all', '  }'],
    ['- { path: /embed', '  , }'],
  ]) {
    const { byHand, edits } = narrowed(...rule);
    assert.deepEqual([byHand, edits], [['embeddings'], []], rule.join('\n'));
  }
});
