import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../load/load.ts';
import { configChanges } from './config-changes.ts';

const withTools = (caller: string) =>
  parseConfig(
    `callers: [aidb, web]
services:
  files: { upstream: http://127.0.0.1:9001, tools: { for: { ${caller}: { deny: [wipe] } } } }
`,
    { file: null, env: {} },
  );

test('that rules for tools are for another caller now is a change', () => {
  assert.deepEqual(configChanges(withTools('aidb'), withTools('web')).changed, ['services.files.mcp']);
  assert.deepEqual(configChanges(withTools('aidb'), withTools('aidb')).changed, []);
});
