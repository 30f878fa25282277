/** Rows that somebody put into the store, whom its constraints do not stop: the log stays readable, and a terminal obeys none of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';
import { decisionValues } from '../core/decision-values.ts';
import { sqliteStore } from '../stores/sqlite/store.ts';
import { decisionRow } from '../stores/store.fixtures.ts';

const evil = '\u001b]0;owned\u0007\u202e\n\u009b31m';
const unsafe = /(?!\n)[^\x20-\x7e\u00a1-\u2010\ufffd]/;

test('a row of the log that no server would have written is shown among the others, as far as it can be', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-hostile-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices:\n  embeddings:\n    upstream: http://127.0.0.1:9\n',
  );
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  const now = Date.now() / 1000;
  await store.decisions.append([decisionRow(1, { time: now, requestId: 'before' })]);
  await store.close();
  const database = new DatabaseSync(join(folder, 'state.db'));
  const sql = `INSERT INTO countersign_decisions (time, outcome, reason, note, mode, service, route, method, path, principal,
      claimed, scheme, credential_id, client_address, skew_seconds, duration_micros, request_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
  const put = (details: object): void => {
    database.prepare(sql).run(...decisionValues({ ...decisionRow(2, { time: now }), ...details }));
  };
  for (const field of ['outcome', 'reason', 'mode', 'method', 'path', 'note', 'service']) put({ [field]: `x${evil}` });
  for (const time of [1e300, -1e300, Infinity, 8.64e12 + 1]) put({ time, skewSeconds: time });
  database.exec(`INSERT INTO countersign_events VALUES ('events', 1, 1e300, 'x', 'x', 'x', 'x')`);
  database.close();

  const text = await cliHere(['audit', 'tail'], { cwd: folder });
  assert.equal(text.code, 0, text.stderr);
  assert.doesNotMatch(text.stdout, unsafe);
  assert.equal(text.stdout.trim().split('\n').length, 12);
  assert.match(text.stdout, /before/);
  const json = await cliHere(['audit', 'tail', '--output', 'json'], { cwd: folder });
  assert.equal(json.code, 0, json.stderr);
  assert.doesNotMatch(json.stdout, unsafe);
  const lines = json.stdout.trim().split('\n');
  assert.equal(lines.length, 12);
  for (const line of lines)
    assert.match(String((JSON.parse(line) as { time: string }).time), /^[-+]?\d{4,6}-\d\d-\d\dT/);
  const acted = await cliHere(['mode', 'set', 'enforce', '--all'], { cwd: folder });
  assert.equal(acted.code, 0, acted.stderr);
  assert.doesNotMatch(acted.stderr, /Invalid time|not in the audit/);
});

test('an event that no server would have written is shown among the others, and is one line of an export', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-hostile-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices:\n  embeddings:\n    upstream: http://127.0.0.1:9\n',
  );
  const run = (...args: string[]) => cliHere(args, { cwd: folder });
  assert.equal((await run('mode', 'set', 'report', '--all')).code, 0);
  const ours = (await run('audit', 'tail', '--events')).stdout.trim().split('\n').length;
  const database = new DatabaseSync(join(folder, 'state.db'));
  const put = database.prepare(`INSERT INTO countersign_events
    SELECT chain, MAX(sequence) + 1, MAX(time), ?, ?, ?, ? FROM countersign_events WHERE chain = 'events'`);
  const whole = { sequence: 9, time: 'x', type: 't', actor: 'a', via: 'v', from: 'f', subject: 's', reason: 'r' };
  const texts = [
    ...Object.keys(whole).map((field) => JSON.stringify({ ...whole, previous: '', [field]: { a: evil } })),
    `{"sequence":9,"previous":"","type":"t"}`,
    `{"sequence":9,"previous":"","type":"t${evil}"}`,
    `{"sequence":9,"previous":"","type":"t","clock":["${'\u202e'}"],"detail":{"toJSON":1}}`,
    `{"sequence":9,\n{"sequence":10,"previous":"","type":"forged"}`,
    '',
    evil,
    '[]',
  ];
  for (const text of texts) put.run(`x${evil}`, `x${evil}`, text, `x${evil}`);
  database.close();
  const count = texts.length + ours;

  const text = await run('audit', 'tail', '--events', '-n', '50');
  assert.equal(text.code, 0, text.stderr);
  assert.doesNotMatch(text.stdout, unsafe);
  assert.equal(text.stdout.trim().split('\n').length, count);
  for (const args of [
    ['audit', 'tail', '--events', '-n', '50', '--output', 'json'],
    ['audit', 'export', '--events'],
  ]) {
    const lines = await run(...args);
    assert.equal(lines.code, 0, lines.stderr);
    assert.doesNotMatch(lines.stdout, unsafe);
    assert.equal(lines.stdout.trim().split('\n').length, count, lines.stdout);
  }
  const verified = await run('audit', 'verify');
  assert.equal(verified.code, 1, verified.stderr);
  assert.doesNotMatch(verified.stdout + verified.stderr, unsafe);
});
