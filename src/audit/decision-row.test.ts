import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../core/verdict.ts';
import { mintKey } from '../crypto/key-format.ts';
import { aidb, decisionOf, requestTo } from './audit.fixtures.ts';
import { decisionRow, refusedRow } from './decision-row.ts';

const now = 1_795_000_000.25;

test('an allowed request is kept with its proven principal and without its query', () => {
  const verdict = { allowed: true, principal: aidb, skewSeconds: -2.5 } as const;
  assert.deepEqual(decisionRow(decisionOf({ verdict }), requestTo(), now), {
    time: now,
    outcome: 'allow',
    reason: '',
    note: '',
    mode: 'enforce',
    service: 'embeddings',
    route: '/embed',
    method: 'POST',
    path: '/embed',
    principal: 'service:aidb',
    claimed: '',
    scheme: 'api-key',
    credentialId: 'k1',
    clientAddress: '10.0.0.7',
    skewSeconds: -2.5,
    durationMicros: 4.56,
    requestId: 'r1',
  });
});

test('whoever only claims a name is never kept as a principal', () => {
  const verdict = deny('invalid_signature', 'does not match', { caller: { id: 'service:aidb', proven: false } });
  const row = decisionRow(decisionOf({ verdict, outcome: 'deny' }), requestTo(), now);
  assert.equal(row.principal, '');
  assert.equal(row.claimed, 'service:aidb');
  assert.equal(row.note, 'does not match');
});

test('a proven caller to whom a policy objected is kept as the principal', () => {
  const verdict = deny('not_allowed', 'n', { caller: { id: 'service:aidb', proven: true }, credentialId: 'k1' });
  const row = decisionRow(decisionOf({ verdict, outcome: 'would_deny', mode: 'report' }), requestTo(), now);
  assert.deepEqual([row.principal, row.claimed, row.credentialId], ['service:aidb', '', 'k1']);
  assert.deepEqual([row.outcome, row.mode, row.reason], ['would_deny', 'report', 'not_allowed']);
});

test('where nobody was asked nobody is named', () => {
  const row = decisionRow(decisionOf({ verdict: null, outcome: 'public' }), requestTo(), now);
  assert.deepEqual([row.principal, row.claimed, row.scheme, row.reason, row.skewSeconds], ['', '', '', '', null]);
});

test('what a caller chooses is cut to a bounded length', () => {
  const long = 'x'.repeat(100_000);
  const request = requestTo({ method: long, path: `/${long}`, service: long, requestId: long, remoteAddress: long });
  const rowOf = (proven: boolean) => {
    const caller = { id: proven ? 'service:aidb' : long, proven };
    // The serial of a certificate that anybody made.
    const verdict = deny('not_allowed', long, { caller, credentialId: long });
    return decisionRow(decisionOf({ verdict, outcome: 'deny' }), request, now);
  };
  const known = rowOf(true);
  assert.deepEqual([known.path.length, known.note.length], [2048, 1024]);
  // A stranger's row is no place to store things in.
  const stranger = rowOf(false);
  assert.deepEqual([stranger.path.length, stranger.note.length], [256, 256]);
  assert.ok(JSON.stringify(stranger).length < 2500);
  const refused = refusedRow(deny('bad_request', long, { credentialId: long }), request, now);
  assert.deepEqual([refused.path.length, refused.note.length, refused.credentialId.length], [256, 256, 256]);
});

test('a refusal without a decision is kept as a denial in enforce, its query cut off', () => {
  const denied = deny('bad_request', 'the path holds a backslash');
  const request = {
    method: 'GET',
    path: '/a\\b?token=s3cret',
    service: '',
    remoteAddress: '10.0.0.7',
    requestId: 'r9',
  };
  const row = refusedRow(denied, request, now);
  assert.deepEqual(
    [row.outcome, row.mode, row.reason, row.path, row.route],
    ['deny', 'enforce', 'bad_request', '/a\\b', ''],
  );
});

test('what failed after it was let pass is kept with its route, and with who was allowed', () => {
  const denied = deny('upstream_timeout', 'no response head');
  const row = refusedRow(denied, requestTo(), now, decisionOf());
  assert.deepEqual(
    [row.outcome, row.mode, row.reason, row.route, row.principal, row.scheme, row.credentialId, row.durationMicros],
    ['deny', 'enforce', 'upstream_timeout', '/embed', 'service:aidb', 'api-key', 'k1', 0],
  );
  // Report lets pass whose key has ended, and who only claims to be somebody: neither may fail in the name of a caller.
  const expired = deny('expired', 'n', { caller: { id: 'service:aidb', proven: true }, credentialId: 'k1' });
  const claimed = deny('invalid_signature', 'n', { caller: { id: 'service:aidb', proven: false } });
  for (const verdict of [expired, claimed, null]) {
    const passed = refusedRow(denied, requestTo(), now, decisionOf({ verdict, mode: 'report' }));
    assert.deepEqual([passed.route, passed.principal, passed.claimed, passed.credentialId], ['/embed', '', '', '']);
  }
});

test('a key that a caller puts in the wrong place is kept by its id only', () => {
  for (const kind of ['sk', 'hs', 'st', 'ad'] as const) {
    const { key, id } = mintKey(kind);
    const verdict = deny('unknown_service', `no service key of ${key} is known; "${key.slice(0, 30)}…"`, {
      caller: { id: `service:${key}`, proven: false },
    });
    // Behind so many characters a cut could leave half a key.
    const path = `/${'x'.repeat(218)}/${key}/${key}`;
    const rows = [
      decisionRow(decisionOf({ verdict, outcome: 'deny' }), requestTo({ path }), now),
      refusedRow(verdict, { ...requestTo(), path, service: '' }, now),
    ];
    for (const row of rows) {
      const text = JSON.stringify(row);
      assert.ok(!text.includes(key.slice(0, 24)), text);
      assert.equal(row.claimed, `service:cs_${kind}_${id}_…`);
      assert.match(row.note, new RegExp(`^no service key of cs_${kind}_${id}_… is known`));
    }
  }
});

test('a key of another make in place of the caller’s name is kept by its beginning only', () => {
  const key = 'feed0123'.repeat(8);
  const denied = deny('invalid_signature', `the signature is not that of ${key} for "${key}:GET:/x:1"`, {
    caller: { id: `service:${key}`, proven: false },
  });
  for (const row of [
    decisionRow(decisionOf({ verdict: denied, outcome: 'deny' }), requestTo(), now),
    refusedRow(denied, { ...requestTo(), service: '' }, now),
  ]) {
    assert.equal(row.claimed, 'service:feed…');
    assert.equal(row.note, 'the signature is not that of feed… for "feed…:GET:/x:1"');
  }
});

test('a name and password in an absolute target are not kept', () => {
  const refused = deny('bad_request', 'n');
  for (const path of ['http://me:secret@host/x', 'http://me:se@cret@host/x?y=@'])
    assert.equal(refusedRow(refused, { ...requestTo(), path, service: '' }, now).path, 'http://…@host/x');
  assert.equal(refusedRow(refused, { ...requestTo(), path: '/a//b@c/d', service: '' }, now).path, '/a//b@c/d');
});
