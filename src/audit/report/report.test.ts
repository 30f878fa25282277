import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyRecord } from '../../core/credential.ts';
import type { DecisionRow } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { rowWith } from '../audit.fixtures.ts';
import { report } from './report.ts';
import { sha256 } from '../../crypto/digest.ts';
import { reportHtml } from './html.ts';
import { reportMarkdown } from './markdown.ts';
import { reportText } from './text.ts';

/** The beginning of an hour. */
const start = 1_795_003_200;
const period = { since: start, until: start + 3600 };

async function reportOn(...rows: Partial<DecisionRow>[]) {
  const store = memoryStore();
  await store.decisions.append(rows.map((row) => rowWith({ time: start + 1, ...row })));
  return report(store, period);
}

const wouldDeny = { outcome: 'would_deny', mode: 'report', reason: 'invalid_credentials', principal: '' } as const;

test('the totals stand at the top, and a request counts once', async () => {
  const found = await reportOn(
    {},
    {},
    { outcome: 'public', principal: '' },
    { outcome: 'deny', reason: 'expired' },
    wouldDeny,
    { outcome: 'deny', reason: 'upstream_timeout' },
    { outcome: 'deny', reason: 'unavailable' },
    { outcome: 'deny', reason: 'unavailable', principal: '' },
    { time: start - 1 },
    { time: start + 4000 },
  );
  const { requests, allowed, denied, would_deny, upstream_failures } = found;
  assert.deepEqual(
    { requests, allowed, denied, would_deny, public: found.public, upstream_failures },
    {
      requests: 6,
      allowed: 2,
      denied: 2,
      would_deny: 1,
      public: 1,
      upstream_failures: 2,
    },
  );
  assert.deepEqual([found.since, found.until], ['2026-11-18T12:00:00Z', '2026-11-18T13:00:00Z']);
  assert.deepEqual({ ...found.by_reason }, { expired: 1, unavailable: 1, invalid_credentials: 1 });
});

test('a period that begins before what is kept says so, in every form', async () => {
  const store = memoryStore();
  await store.decisions.append([rowWith({ time: start + 1 })]);
  const days = (count: number) => report(store, { since: start - count * 86_400, until: start });
  const long = await days(40);
  const words = 'counts are kept for 35 days: what was before 2026-10-14T12:00:00Z is not in this';
  assert.deepEqual(long.verdict.concerns, [words]);
  for (const form of [reportText, reportMarkdown, reportHtml])
    assert.match(form(long).toLowerCase(), /kept for 35 days/);
  assert.deepEqual((await days(35)).verdict.concerns, []);
});

test('what would be denied is grouped by caller, route and reason, with an example', async () => {
  const found = await reportOn(
    { ...wouldDeny, claimed: 'service:aidb', clientAddress: '10.0.0.7', time: start + 10, requestId: 'r1' },
    { ...wouldDeny, claimed: 'service:aidb', clientAddress: '10.0.0.8', time: start + 30, requestId: 'r3' },
    { ...wouldDeny, claimed: 'service:aidb', clientAddress: '10.0.0.7', time: start + 20, requestId: 'r2' },
    { ...wouldDeny, reason: 'missing_credentials', time: start + 5, requestId: 'r0' },
  );
  assert.deepEqual(found.would_deny_groups, [
    {
      caller: 'service:aidb?',
      service: 'embeddings',
      route: '/embed',
      reason: 'invalid_credentials',
      count: 3,
      first_seen: '2026-11-18T12:00:10Z',
      last_seen: '2026-11-18T12:00:30Z',
      client_addresses: ['10.0.0.7', '10.0.0.8'],
      address_count: 2,
      example_request_id: 'r3',
    },
    {
      caller: '',
      service: 'embeddings',
      route: '/embed',
      reason: 'missing_credentials',
      count: 1,
      first_seen: '2026-11-18T12:00:05Z',
      last_seen: '2026-11-18T12:00:05Z',
      client_addresses: ['10.0.0.7'],
      address_count: 1,
      example_request_id: 'r0',
    },
  ]);
  assert.deepEqual(found.denied_groups, []);
});

test('callers, services and endpoints each have their totals', async () => {
  const found = await reportOn({}, {}, { service: 'aidb', route: '*', principal: 'token:1' }, wouldDeny);
  assert.deepEqual(found.callers, [
    { caller: '', requests: 1, allowed: 0, denied: 0, would_deny: 1, public: 0, success_rate: 0 },
    { caller: 'service:aidb', requests: 2, allowed: 2, denied: 0, would_deny: 0, public: 0, success_rate: 1 },
    { caller: 'token:1', requests: 1, allowed: 1, denied: 0, would_deny: 0, public: 0, success_rate: 1 },
  ]);
  assert.deepEqual(found.by_service.embeddings, {
    requests: 3,
    allowed: 2,
    denied: 0,
    would_deny: 1,
    public: 0,
    success_rate: 2 / 3,
  });
  assert.deepEqual(
    found.top_endpoints.map(({ service, route, requests }) => [service, route, requests]),
    [
      ['embeddings', '/embed', 3],
      ['aidb', '*', 1],
    ],
  );
});

test('services that callers made up are one line', async () => {
  const found = await reportOn(
    ...Array.from(
      { length: 50 },
      (_, index) => ({ outcome: 'deny', reason: 'no_such_service', service: `x${index}`, principal: '' }) as const,
    ),
  );
  assert.deepEqual(Object.keys(found.by_service), ['']);
  assert.equal(found.denied_groups.length, 1);
  assert.equal(found.denied_groups[0]?.count, 50);
});

test('the verdict says whether to enforce, and never more than was seen', async () => {
  const said = async (...rows: Partial<DecisionRow>[]): Promise<string> => (await reportOn(...rows)).verdict.summary;
  assert.match(await said(), /^Nothing can be said/);
  assert.match(await said({}), /^Ready to enforce/);
  assert.match(await said({}, wouldDeny, wouldDeny), /^Not ready to enforce: 2 requests of 1 unsigned caller would be/);
  const named = { ...wouldDeny, principal: 'service:aidb' } as const;
  assert.match(
    await said(named, wouldDeny, wouldDeny),
    /: 3 requests of 1 named caller and 1 unsigned caller would be/,
  );
  assert.match(await said({ mode: 'off', principal: '' }), /^Nothing can be said.*1 request passed in mode off/);
  assert.equal((await reportOn({})).verdict.ready, true);
  assert.equal((await reportOn(wouldDeny)).verdict.ready, false);
});

test('where all is enforced by now, nobody is told to get ready for it', async () => {
  const said = async (...rows: Partial<DecisionRow>[]): Promise<string> => {
    const store = memoryStore();
    await store.decisions.append(rows.map((row) => rowWith({ time: start + 1, ...row })));
    const { verdict } = await report(store, period, { isEnforced: true });
    return `${verdict.answer}: ${verdict.summary}`;
  };
  assert.match(await said({}), /^ready: All is enforced: nothing that passed/);
  assert.match(
    await said({}, wouldDeny),
    /^not_ready: All is enforced by now, and 1 request of 1 unsigned caller would have been refused before that\./,
  );
  assert.match(
    await said({}, { outcome: 'deny', reason: 'expired' }),
    /^ready: .* Who was refused, and why, stands below/,
  );
  assert.match(await said(), /^unknown: Nothing can be said/);
});

test('unsigned callers are counted by where they are, not by how often they call', async () => {
  const unsigned = { ...wouldDeny, reason: 'missing_credentials' } as const;
  const calls = Array.from({ length: 300 }, (_, index) => ({ ...unsigned, clientAddress: `10.0.0.${index % 3}` }));
  assert.equal((await reportOn(...calls)).verdict.unsigned_callers, 3);
});

test('callers without a name are told apart by where they call from, and a stranger keeps nobody from enforcing', async () => {
  const unsigned = { ...wouldDeny, reason: 'missing_credentials' } as const;
  const probe = { ...unsigned, clientAddress: '10.0.0.1' };
  const scanner = { ...unsigned, clientAddress: '203.0.113.9', service: 'aidb', route: '*' };
  const { verdict } = await reportOn(probe, probe, probe, { ...probe, service: 'ocr' }, scanner, scanner);
  assert.deepEqual(
    verdict.mend.map(({ client_addresses, routes, requests }) => [client_addresses, routes, requests]),
    [
      [['10.0.0.1'], ['/embeddings/embed', '/ocr/embed'], 4],
      [['203.0.113.9'], ['/aidb/*'], 2],
    ],
  );
  const [first] = verdict.mend;
  assert.match(
    first?.what ?? '',
    /where it is yours.*the path that it asks for, and no more.*of a stranger there is nothing/,
  );
  assert.match(first?.commands[0] ?? '', /^countersign audit tail --request /, 'which shows that path');
  assert.match(verdict.summary, /Nobody gives a name.*strangers are refused rightly/);
  assert.doesNotMatch((await reportOn(probe, { ...probe, claimed: 'service:aidb' })).verdict.summary, /Nobody/);
});

test('what to mend names the caller, where, why, and what to run; proven callers come first', async () => {
  const late = {
    ...wouldDeny,
    reason: 'timestamp_outside_window',
    principal: 'service:ocr',
    skewSeconds: -400,
  } as const;
  const old = { ...wouldDeny, reason: 'invalid_signature', claimed: 'service:aidb' } as const;
  const { mend } = (await reportOn(old, old, { ...wouldDeny, reason: 'missing_credentials' }, late)).verdict;
  assert.deepEqual(
    mend.map(({ caller, reason, requests, routes }) => [caller, reason, requests, routes[0]]),
    [
      ['service:ocr', 'timestamp_outside_window', 1, '/embeddings/embed'],
      ['service:aidb?', 'invalid_signature', 2, '/embeddings/embed'],
      ['', 'missing_credentials', 1, '/embeddings/embed'],
    ],
  );
  assert.ok(mend[0]?.commands.includes('chronyc makestep'));
  assert.ok(mend[1]?.commands.includes('countersign keys list aidb'));
});

test('who shows a key that many hold is told to have one of its own, since no rule can name it', async () => {
  const shared = { ...wouldDeny, reason: 'not_allowed', principal: 'holder:embeddings' } as const;
  const { mend } = (await reportOn(shared, { ...shared, principal: 'service:ocr' })).verdict;
  const ofShared = mend.find(({ caller }) => caller === 'holder:embeddings');
  assert.match(ofShared?.what ?? '', /give each a key of its own/);
  assert.deepEqual(ofShared?.commands, ['countersign keys create CALLER --to FILE', 'countersign validate']);
  const ofOcr = mend.find(({ caller }) => caller === 'service:ocr');
  assert.match(ofOcr?.what ?? '', /add ocr to its callers/);
  assert.match(ofOcr?.what ?? '', /a method or an origin.*the note says which/);
  assert.match(ofOcr?.commands[0] ?? '', /^countersign audit tail --request /);
});

test('a name that a caller made up never becomes part of a command', async () => {
  const evil = { ...wouldDeny, reason: 'unknown_service', claimed: 'service:$(reboot); --config x' } as const;
  const [mend] = (await reportOn(evil)).verdict.mend;
  assert.ok((mend?.commands.length ?? 0) > 0);
  for (const command of mend?.commands ?? []) assert.doesNotMatch(command, /reboot|--config/);
});

test('where the note says what is wrong, the command shows the request of the example, and none that could be another command', async () => {
  const replayed = { ...wouldDeny, reason: 'replayed', principal: 'service:ocr' } as const;
  const commandsOf = async (requestId: string) =>
    (await reportOn({ ...replayed, requestId })).verdict.mend[0]?.commands;
  assert.deepEqual(await commandsOf('3f2a9c01-1z'), ['countersign audit tail --request 3f2a9c01-1z']);
  for (const evil of ['$(reboot)', '--config', '']) {
    assert.deepEqual(await commandsOf(evil), ['countersign audit tail -n 50'], evil);
  }
});

test('clocks and keys that will fail are told before they do', async () => {
  const store = memoryStore();
  const rows = Array.from({ length: 100 }, (_, index) =>
    rowWith({ time: start + index, skewSeconds: index === 50 ? -120 : -0.1 }),
  );
  await store.decisions.append(rows);
  await store.keys.insert(keyOf('ends', start + 86_400));
  await store.keys.insert(keyOf('lasts', null, 'other'));
  const { clock_skew, key_expiry, verdict } = await report(store, period);
  assert.deepEqual(clock_skew, [{ caller: 'service:aidb', samples: 100, p50_s: -0.1, p99_s: 0.1, max_s: -120 }]);
  assert.deepEqual(key_expiry, [
    {
      id: 'ends',
      service: 'aidb',
      kind: 'sk',
      expires_at: '2026-11-19T12:00:00Z',
      expired: false,
      has_successor: false,
    },
  ]);
  assert.equal(verdict.ready, true);
  assert.match(
    verdict.concerns.join('\n'),
    /clock of service:aidb was up to 120 s behind[^]*key ends of aidb ends at .*rotate ends$/m,
  );
  await store.keys.insert(keyOf('next', null));
  const succeeded = await report(store, period);
  assert.equal(succeeded.key_expiry[0]?.has_successor, true);
  const inRedis = { id: 'redis:aidb', service: 'aidb', kind: 'hs' } as const;
  const endsElsewhere = [
    { ...inRedis, expiresAt: start + 86_000 },
    { ...inRedis, id: 'redis:web', expiresAt: start + 40 * 86_400 },
  ];
  const elsewhere = await report(store, period, { endsElsewhere });
  assert.deepEqual(
    elsewhere.key_expiry.map(({ id, has_successor: succeeds }) => [id, succeeds]),
    [
      ['redis:aidb', false],
      ['ends', true],
    ],
    'what lies in Redis is followed by nothing in the store',
  );
  assert.match(elsewhere.verdict.concerns.join(), /redis:aidb of aidb .*: countersign keys rotate aidb --to redis$/);
  await store.keys.insert(keyOf('ended', start - 1, 'web'));
  const { verdict: over } = await report(store, period);
  assert.match(over.concerns.join('\n'), /key ended of web ended at .*: countersign keys create web --kind sk$/m);
  assert.doesNotMatch(succeeded.verdict.concerns.join('\n'), /key ends/, 'nothing is to be done about it');
});

test('what had no rule and what the rule for all of a service has since are one route, as they have one name', async () => {
  const found = await reportOn(
    { ...wouldDeny, route: '*' },
    { ...wouldDeny, route: '/*', requestId: 'the last', time: start + 60 },
    { route: '*', service: 'aidb' },
  );
  assert.deepEqual(
    found.top_endpoints.map(({ service, route, requests }) => [service, route, requests]),
    [
      ['embeddings', '/*', 2],
      ['aidb', '*', 1],
    ],
  );
  assert.deepEqual(
    found.would_deny_groups.map(({ route, count, example_request_id: id }) => [route, count, id]),
    [['/*', 2, 'the last']],
  );
});

test('a key from before is no successor of one that ends', async () => {
  const store = memoryStore();
  await store.keys.insert({ ...keyOf('old', null), createdAt: start - 900 });
  await store.keys.insert({ ...keyOf('new', start + 86_400), createdAt: start - 60 });
  const { key_expiry, verdict } = await report(store, period);
  assert.deepEqual([key_expiry[0]?.id, key_expiry[0]?.has_successor], ['new', false]);
  assert.match(verdict.concerns.join(), /key new of aidb ends .* has no successor/);
});

test('the busiest endpoints and sources come first, and a public request is a success', async () => {
  const { top_endpoints, top_sources } = await reportOn(
    { route: '/seldom', clientAddress: '10.0.0.1' },
    { route: '/often', clientAddress: '10.0.0.2', outcome: 'public', principal: '' },
    { route: '/often', clientAddress: '10.0.0.2', outcome: 'public', principal: '' },
    { route: '/often', clientAddress: '10.0.0.2', outcome: 'deny', reason: 'expired' },
  );
  const told = { requests: 3, success_rate: 2 / 3 };
  assert.deepEqual(
    top_endpoints.map(({ route, requests, success_rate }) => ({ route, requests, success_rate })),
    [
      { route: '/often', ...told },
      { route: '/seldom', requests: 1, success_rate: 1 },
    ],
  );
  assert.deepEqual(
    top_sources.map(({ client_address, requests, success_rate }) => ({ client_address, requests, success_rate })),
    [
      { client_address: '10.0.0.2', ...told },
      { client_address: '10.0.0.1', requests: 1, success_rate: 1 },
    ],
  );
});

test('how far a clock is off is told by its middle, by 99 of 100, either way, and by the farthest', async () => {
  const skews = [...Array<number>(90).fill(1), ...Array<number>(9).fill(-20), -40];
  const found = await reportOn(...skews.map((skewSeconds) => ({ skewSeconds })));
  const [clock] = found.clock_skew;
  assert.deepEqual([clock?.p50_s, clock?.p99_s, clock?.max_s], [1, 20, -40]);
});

test('the overhead is told as it was measured', async () => {
  const rows = Array.from({ length: 100 }, (_, index) => ({ durationMicros: index === 99 ? 5000 : 10 }));
  assert.deepEqual((await reportOn(...rows)).overhead, { samples: 100, p50_us: 10, p99_us: 10, max_us: 5000 });
  const tail = Array.from({ length: 100 }, (_, index) => ({ durationMicros: index >= 95 ? 5000 : 10 }));
  const slow = (await reportOn(...tail)).overhead;
  assert.deepEqual([slow.p50_us, slow.p99_us], [10, 5000], 'one in a hundred is slower than the 99th');
  assert.deepEqual((await reportOn({ durationMicros: 0 })).overhead, {
    samples: 0,
    p50_us: null,
    p99_us: null,
    max_us: null,
  });
});

test('a report on one service leaves the others out', async () => {
  const store = memoryStore();
  await store.decisions.append([
    rowWith({ time: start, skewSeconds: 1 }),
    rowWith({ time: start, service: 'aidb', principal: 'service:web', skewSeconds: 2 }),
  ]);
  const found = await report(store, { ...period, service: 'aidb' });
  assert.equal(found.requests, 1);
  assert.deepEqual(Object.keys(found.by_service), ['aidb']);
  assert.deepEqual(
    found.clock_skew.map(({ caller }) => caller),
    ['service:web'],
  );
  assert.equal(found.overhead.samples, 1);
});

test('the text is plain lines that no caller can dress up', async () => {
  const text = reportText(await reportOn({}, { ...wouldDeny, claimed: 'service:\u001b[31mevil\u202e' }));
  assert.match(text, /requests {2}allowed/);
  assert.match(text, /Would be refused\ncount/);
  assert.ok(text.split('\n').every((line) => /^[ -~…�µ]*$/.test(line)));
});

test('the page and the Markdown show what callers chose as text, whatever it is', async () => {
  const odd = '<img src=x onerror=alert(1)>|](http://x)`"\'';
  const found = await reportOn({}, { ...wouldDeny, claimed: odd, requestId: odd });
  const html = reportHtml(found);
  assert.ok(html.includes('&lt;img src=x onerror=alert(1)&gt;'));
  assert.doesNotMatch(html, /<img|<a |<script|\son[a-z]+="|\sstyle="/);
  const markdown = reportMarkdown(found);
  assert.doesNotMatch(markdown, /(?<!\\)<img|(?<!\\)\]\(/);
  for (const line of markdown.split('\n').filter((each) => each.startsWith('|')))
    assert.ok(/^\|(?:[^|\\]|\\.)*\|/.test(line));
});

test('the page loads nothing and runs nothing: its policy allows its one style, by digest', async () => {
  const html = reportHtml(await reportOn(wouldDeny));
  const style = /<style>([^]*?)<\/style>/.exec(html)?.[1] ?? '';
  const digest = sha256(Buffer.from(style)).toString('base64');
  assert.ok(
    html.includes(`content="default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'"`),
  );
  assert.doesNotMatch(html, /https?:|\burl\(|@import/);
});

test('a store that cannot be reached is no empty report', async () => {
  const store = memoryStore();
  await store.close();
  await assert.rejects(report(store, period), { code: 'store_unavailable' });
});

function keyOf(id: string, expiresAt: number | null, service = 'aidb'): KeyRecord {
  return {
    id,
    service,
    kind: 'sk',
    digest: id,
    material: null,
    lastFour: 'aaaa',
    imported: false,
    scopes: [],
    allowedIps: [],
    createdAt: start,
    expiresAt,
    revokedAt: null,
    replaces: null,
    pending: false,
  };
}

test('counts that cannot be read are told of, and without them nothing is ready', async () => {
  const store = memoryStore();
  await store.decisions.append([rowWith({ time: start + 1 })]);
  const found = await store.decisions.rollups(start, start + 3600);
  const decisions = { ...store.decisions, rollups: async () => ({ ...found, unreadable: 2 }) };
  const { unreadable_counts, requests, verdict } = await report({ keys: store.keys, decisions }, period);
  assert.deepEqual([unreadable_counts, requests, verdict.answer], [2, 1, 'unknown']);
  assert.match(verdict.concerns.join(), /^2 counts in the store cannot be read and are left out/);
});

test('requests that a clock ahead recorded are told of where the period ends now, and nothing is ready without them', async () => {
  const store = memoryStore();
  const { until } = period;
  const times = [start + 1, until + 299, until + 900, until + 7200];
  await store.decisions.append(times.map((time) => rowWith({ time })));
  assert.deepEqual((await report(store, { ...period, until: until + 8000 })).recorded_ahead, null);
  assert.deepEqual((await report(store, period)).recorded_ahead, null);
  const { recorded_ahead, requests, verdict } = await report(store, { ...period, untilNow: true });
  assert.deepEqual([recorded_ahead, requests, verdict.answer], [{ requests: 2, max_s: 7200 }, 1, 'unknown']);
  assert.match(verdict.concerns.join(), /^a server whose clock is wrong recorded 2 requests up to 7200 s ahead of now/);
});
