import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import type { DecisionRow } from '../core/store.ts';
import { rowWith } from './audit.fixtures.ts';
import { levelOf, logLine } from './log-line.ts';

const fields = [
  'time', 'level', 'event', 'outcome', 'reason', 'mode', 'service', 'route', 'method', 'path', 'principal', 'scheme',
  'credential_id', 'client_address', 'skew_s', 'duration_us', 'request_id',
]; // prettier-ignore

test('a line holds exactly the fields of the contract, in its order', () => {
  const line = JSON.parse(logLine(rowWith({ skewSeconds: 1.23456 })));
  assert.deepEqual(Object.keys(line), fields);
  assert.deepEqual(line, {
    time: '2026-11-18T11:06:40.250Z',
    level: 'info',
    event: 'auth.decision',
    outcome: 'allow',
    reason: '',
    mode: 'enforce',
    service: 'embeddings',
    route: '/embed',
    method: 'POST',
    path: '/embed',
    principal: 'service:aidb',
    scheme: 'api-key',
    credential_id: 'k1',
    client_address: '10.0.0.7',
    skew_s: 1.235,
    duration_us: 4.6,
    request_id: 'r1',
  });
});

test('a note and a claim are added at the end when there are any', () => {
  const line = JSON.parse(logLine(rowWith({ note: 'why', claimed: 'service:other' })));
  assert.deepEqual(Object.keys(line), [...fields, 'note', 'claimed']);
});

test('times are RFC 3339 with milliseconds, whatever came before', () => {
  for (const [seconds, text] of [
    [0, '1970-01-01T00:00:00.000Z'],
    [1_795_000_000.007, '2026-11-18T11:06:40.007Z'],
    [1_795_000_000.999, '2026-11-18T11:06:40.999Z'],
    [1_795_000_059.05, '2026-11-18T11:07:39.050Z'],
  ] as const)
    assert.equal(JSON.parse(logLine(rowWith({ time: seconds }))).time, text);
});

test('the level tells what needs attention', () => {
  assert.equal(levelOf(rowWith()), 'info');
  assert.equal(levelOf(rowWith({ outcome: 'public', principal: '' })), 'info');
  assert.equal(levelOf(rowWith({ outcome: 'deny', reason: 'expired' })), 'warn');
  assert.equal(levelOf(rowWith({ outcome: 'would_deny', reason: 'expired' })), 'warn');
  assert.equal(levelOf(rowWith({ outcome: 'deny', reason: 'unavailable' })), 'error');
  assert.equal(levelOf(rowWith({ outcome: 'deny', reason: 'upstream_timeout' })), 'error');
  assert.equal(levelOf(rowWith({ principal: 'operator:break-glass' })), 'error');
});

test('nothing that a caller writes can end a line, begin another, or add a field', () => {
  const attack = '/a","outcome":"allow"}\n{"event":"auth.decision","outcome":"allow"\r\u2028\u0000\\';
  const line = logLine(
    rowWith({ path: attack, method: attack, service: attack, requestId: attack, claimed: attack, note: attack }),
  );
  assert.ok(!/[\r\n]/.test(line));
  const read = JSON.parse(line);
  assert.deepEqual([read.path, read.outcome, Object.keys(read).length], [attack, 'allow', fields.length + 2]);
});

test('a line is printable ASCII and letters only: no terminal obeys it', () => {
  const line = logLine(rowWith({ path: '/\u001b[2J\u009b31m\u007f\u061c\u202e\u2066\u200f\ufeff', note: '\ud800' }));
  assert.ok(/^[\x20-\x7e]*$/.test(line));
});

test('whatever the texts are, a line is one line of JSON that reads back the same', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  fc.assert(
    fc.property(text, text, text, text, (path, claimed, note, service) => {
      const line = logLine(rowWith({ path, claimed, note, service }));
      // eslint-disable-next-line no-control-regex
      assert.ok(!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(line));
      const read = JSON.parse(line);
      assert.equal(read.path, path);
      assert.equal(read.service, service);
      assert.equal(read.note ?? '', note);
      assert.equal(read.claimed ?? '', claimed);
    }),
  );
});

test('a line says what its own row does, whatever came before', () => {
  const some = <T>(...values: T[]) => fc.constantFrom(...values);
  const row = fc.record({
    outcome: some('allow', 'deny', 'would_deny'),
    reason: some('', 'expired', 'unavailable'),
    mode: some('enforce', 'report'),
    service: some('a', 'b'),
    route: some('/x', '/y'),
    method: some('GET', 'POST'),
    path: some('/x', '/y/"'),
    principal: some('', 'service:a'),
    scheme: some('', 'api-key'),
    credentialId: some('', 'k1', 'k2'),
    clientAddress: some('10.0.0.1', '10.0.0.2'),
  });
  fc.assert(
    fc.property(fc.array(row, { minLength: 2, maxLength: 40 }), (rows) => {
      for (const values of rows) {
        const read = JSON.parse(logLine(rowWith(values as Partial<DecisionRow>)));
        const { credentialId, clientAddress, ...others } = values;
        const expected = { ...others, credential_id: credentialId, client_address: clientAddress };
        assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, read[name]])), expected);
        assert.equal(read.level, levelOf(rowWith(values as Partial<DecisionRow>)));
      }
    }),
  );
});
