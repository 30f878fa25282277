/** Scripts read the lists: what docs/cli.md says is in their JSON is what is in it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');

/** The fields of the first form that the page gives for a command, those within another included. */
function documented(command: string): string[] {
  const section = page.split(`\n### ${command}\n`)[1]?.split('\n### ')[0] ?? '';
  const [, form = ''] = /With `--output json`: [^`]*`(\{[^`]*\})`/.exec(section) ?? [];
  return [...form.matchAll(/"(\w+)"/g)].map(([, field = '']) => field);
}

function fieldsOf(value: unknown): string[] {
  if (Array.isArray(value)) return fieldsOf(value[0]);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, inner]) => [field, ...fieldsOf(inner)]);
}

test('the JSON of lists has the fields that the documentation names', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-json-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  const file = join(folder, 'countersign.yaml');
  writeFileSync(file, 'store: sqlite:state.db\nservices: { aidb: { upstream: http://127.0.0.1:9 } }\n');
  for (const args of ['keys create aidb --expires 2d', 'tokens create --ttl 24h', 'operators create ana'])
    assert.equal((await cli(...args.split(' '))).code, 0, args);
  // What stands in a list of its own elsewhere is not told again.
  const told: Record<string, readonly string[]> = { status: ['scope', 'mode', 'source'] };
  for (const command of ['validate', 'status', 'mode get', 'keys list', 'tokens list', 'operators list']) {
    const { stdout } = await cli(...command.split(' '), '--output', 'json');
    const fields = fieldsOf(JSON.parse(stdout)).filter((field) => !told[command]?.includes(field));
    // Null, where nobody has used the key.
    const seen = documented(command).filter(
      (field) => command !== 'keys list' || !['at', 'by', 'from'].includes(field),
    );
    assert.deepEqual(fields.toSorted(), seen.toSorted(), command);
  }
  writeFileSync(file, 'services: { aidb: {} }\n');
  const faulty = await cli('validate', '--output', 'json');
  assert.equal(faulty.code, 1);
  const [, form = ''] = /of a faulty one `(\{.*?\})`/.exec(page) ?? [];
  assert.deepEqual(
    fieldsOf(JSON.parse(faulty.stdout)).toSorted(),
    [...form.matchAll(/"(\w+)"/g)].map(([, field = '']) => field).toSorted(),
  );
});
