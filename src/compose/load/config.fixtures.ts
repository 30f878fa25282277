import assert from 'node:assert/strict';
import { ConfigError, parseConfig } from './load.ts';

/** The lines of the ConfigError, without the name of the file. */
export function faultLines(text: string, env: Record<string, string> = {}): string[] {
  try {
    parseConfig(text, { file: '/nowhere/c.yaml', env });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, 'config_invalid');
    return error.format().replaceAll('/nowhere/c.yaml:', '').split('\n');
  }
  return [];
}
