import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Mode } from '../core/mode.ts';
import { StoreError, type Store } from '../core/store.ts';
import { listeners, resync } from '../stores/listeners.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { sqliteStore } from '../stores/sqlite/store.ts';
import { modes, type FileModes, type Modes } from './modes.ts';
import { until } from '../../test/fixtures/until.ts';

/** embeddings with /embed (report in the file) and /health; aidb with off in the file; the stack at enforce. */
const scopes: readonly { scope: string; mode: Mode | null }[] = [
  { scope: 'embeddings', mode: null },
  { scope: 'embeddings/embed', mode: 'report' },
  { scope: 'embeddings/health', mode: null },
  { scope: 'aidb', mode: 'off' },
];

const file: FileModes = {
  stack: 'enforce',
  service: (name) => scopes.find(({ scope }) => scope === name)?.mode ?? null,
  scopes: () => scopes,
};

function open(store: Store, details: { environment?: Mode; file?: FileModes } = {}): Promise<Modes> {
  return modes({
    store,
    file: details.file ?? file,
    environment: details.environment ?? null,
    clock: () => 1_000_000,
    knows: (scope) => scopes.some((known) => known.scope === scope),
  });
}

/** The modes of: embed (report in the file), health, a path without a rule, aidb (off in the file). */
function seen(source: Modes): string {
  return [
    source.modeOf('embeddings', '/embed', 'report'),
    source.modeOf('embeddings', '/health', null),
    source.modeOf('embeddings', '*', null),
    source.modeOf('aidb', '*', null),
  ].join(' ');
}

test('with nothing set the file counts, the most specific level first', async (t) => {
  const source = await open(memoryStore());
  t.after(() => source.close());
  assert.equal(seen(source), 'report enforce enforce off');
});

test('the environment wins over the file at the level of the stack, and only there', async (t) => {
  const source = await open(memoryStore(), { environment: 'off' });
  t.after(() => source.close());
  assert.equal(seen(source), 'report off off off');
});

test('what is set at run time wins at its level and leaves the more specific ones alone', async (t) => {
  const source = await open(memoryStore(), { environment: 'off' });
  t.after(() => source.close());
  await source.set('', 'report', 'operator:admin');
  assert.equal(seen(source), 'report report report off');
  await source.set('aidb', 'enforce', 'operator:admin');
  assert.equal(seen(source), 'report report report enforce');
  await source.set('embeddings', 'enforce', 'operator:admin');
  assert.equal(seen(source), 'report enforce enforce enforce');
  await source.set('embeddings/embed', 'enforce', 'operator:admin');
  assert.equal(seen(source), 'enforce enforce enforce enforce');
  await source.clear('embeddings/embed');
  assert.equal(seen(source), 'report enforce enforce enforce');
  await source.clear(null);
  assert.equal(seen(source), 'report off off off');
});

test('--all clears every level and overrides file and environment, until something more specific is set', async (t) => {
  const source = await open(memoryStore(), { environment: 'off' });
  t.after(() => source.close());
  await source.set('embeddings/embed', 'enforce', 'operator:admin');
  await source.setAll('report', 'operator:admin');
  assert.equal(seen(source), 'report report report report');
  await source.set('embeddings/health', 'enforce', 'operator:admin');
  assert.equal(seen(source), 'report enforce report report');
  await source.set('', 'off', 'operator:admin');
  assert.equal(seen(source), 'off enforce off off');
  await source.clear(null);
  assert.equal(seen(source), 'report off off off');
});

test('a change made by another process on the same store is followed', async (t) => {
  const store = memoryStore();
  const [one, other] = await Promise.all([open(store), open(store)]);
  t.after(() => [one.close(), other.close()]);
  await one.set('aidb', 'report', 'operator:admin');
  await setImmediate();
  assert.equal(other.modeOf('aidb', '*', null), 'report');
});

test('what was set survives a restart', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-modes-'));
  t.after(() => rm(folder, { recursive: true }));
  const options = { file: join(folder, 'state.db') };
  const first = sqliteStore(options);
  await first.migrate();
  const before = await open(first);
  await before.set('embeddings/embed', 'off', 'operator:admin');
  before.close();
  await first.close();

  const second = sqliteStore(options);
  await second.migrate();
  const after = await open(second);
  assert.equal(seen(after), 'off enforce enforce off');
  after.close();
  await second.close();
});

test('what stands in the store and is no mode, be it misspelt or of a newer version, counts as enforce', async (t) => {
  for (const written of ['Enforce', 'strict', ' report', '', null, 7] as unknown as Mode[]) {
    const store = memoryStore();
    for (const scope of ['', 'aidb', 'embeddings/embed'])
      await store.modes.set({ scope, mode: written, setAt: 1, setBy: 'sql' });
    const source = await open(store);
    t.after(() => source.close());
    assert.equal(seen(source), 'enforce enforce enforce enforce', JSON.stringify(written));
    assert.equal(source.loweredAt('aidb', '*'), null);
    assert.ok(source.describe().every(({ mode }) => mode === 'enforce'));
  }
});

test('what does not exist is refused with the known names', async (t) => {
  const store = memoryStore();
  const source = await open(store);
  t.after(() => source.close());
  for (const scope of ['nobody', 'embeddings/nowhere', '*', 'Embeddings', '/embed', '__proto__']) {
    await assert.rejects(source.set(scope, 'off', 'operator:admin'), {
      code: 'unknown_scope',
      message: `no service or route "${scope}"; known are embeddings, embeddings/embed, embeddings/health, aidb`,
    });
  }
  await assert.rejects(source.clear('nobody'), { code: 'unknown_scope' });
  assert.deepEqual(await store.modes.list(), []);
});

test('a mode of a service that the file has lost can still be cleared', async (t) => {
  const store = memoryStore();
  await store.modes.set({ scope: 'gone', mode: 'off', setAt: 1, setBy: 'operator:admin' });
  const source = await open(store);
  t.after(() => source.close());
  assert.equal(source.describe().at(-1)?.scope, 'gone');
  await source.clear('gone');
  assert.deepEqual(await store.modes.list(), []);
});

test('while the store is away the last known modes stay in force, and a refused change says so', async (t) => {
  const store = memoryStore();
  const source = await open(store);
  t.after(() => source.close());
  await source.set('aidb', 'report', 'operator:admin');
  await store.close();
  assert.equal(source.modeOf('aidb', '*', null), 'report');
  await assert.rejects(source.set('aidb', 'enforce', 'operator:admin'), { code: 'store_unavailable' });
  assert.equal(source.modeOf('aidb', '*', null), 'report');
});

/** A store whose modes cannot be read while it is away; the watch tells of changes if it is heard. */
function flaky(store: Store) {
  const state = { away: false, heard: true };
  const part: Pick<Store, 'modes' | 'watch'> = {
    modes: {
      ...store.modes,
      list: () => (state.away ? Promise.reject(new StoreError('store_unavailable', 'away')) : store.modes.list()),
    },
    watch: (listener) => store.watch((change) => state.heard && listener(change)),
  };
  const opened = () =>
    modes({
      store: { ...part, records: memoryStore().records },
      file,
      environment: null,
      clock: () => 1,
      knows: () => true,
    });
  return { state, opened };
}

test('a reading that fails after a change is tried again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const store = memoryStore();
  const { state, opened } = flaky(store);
  const source = await opened();
  t.after(() => source.close());
  state.away = true;
  await store.modes.set({ scope: 'aidb', mode: 'report', setAt: 1, setBy: 'another process' });
  await setImmediate();
  assert.equal(source.modeOf('aidb', '*', null), 'off');
  state.away = false;
  t.mock.timers.tick(1000);
  await setImmediate();
  assert.equal(source.modeOf('aidb', '*', null), 'report');
});

test('what could not be read counts as behind from the change on that it was read for, not from one before', async (t) => {
  const store = memoryStore();
  const { state, opened } = flaky(store);
  const source = await opened();
  t.after(() => source.close());
  await source.set('aidb', 'report', 'operator:admin');
  await setImmediate();
  assert.equal(source.behindSince(), null);
  // Long after that, as far as the clock tells.
  await setTimeout(20);
  for (const heard of [true, false]) {
    const before = performance.now();
    Object.assign(state, { away: true, heard });
    await source.set('aidb', 'enforce', 'operator:admin');
    await setImmediate();
    assert.ok((source.behindSince() ?? -1) >= before, `${source.behindSince()} is before ${before}, heard: ${heard}`);
    state.away = false;
    await source.set('aidb', 'report', 'operator:admin');
    assert.equal(source.behindSince(), null);
  }
});

test('a first reading behind the watch that fails does not count as behind from the beginning of time', async (t) => {
  const { state, opened } = flaky(memoryStore());
  const before = performance.now();
  const opening = opened();
  state.away = true;
  const source = await opening;
  t.after(() => source.close());
  await setImmediate();
  assert.ok((source.behindSince() ?? -1) >= before);
});

test('it does not start on a store that cannot be read', async () => {
  const store = memoryStore();
  await store.close();
  await assert.rejects(open(store), { code: 'store_unavailable' });
});

test('a reload of the file takes effect at once', async (t) => {
  let stack: Mode = 'enforce';
  const changing: FileModes = {
    get stack() {
      return stack;
    },
    service: () => null,
    scopes: () => [],
  };
  const source = await open(memoryStore(), { file: changing });
  t.after(() => source.close());
  assert.equal(source.modeOf('aidb', '*', null), 'enforce');
  stack = 'report';
  assert.equal(source.modeOf('aidb', '*', null), 'report');
});

test('the description says for every level what it comes to and where that was said', async (t) => {
  const source = await open(memoryStore(), { environment: 'report' });
  t.after(() => source.close());
  const short = () =>
    source.describe().map(({ scope, mode, source: from }) => `${scope || 'stack'}: ${mode} (${from})`);
  assert.deepEqual(short(), ['stack: report (environment)', 'embeddings/embed: report (file)', 'aidb: off (file)']);
  await source.set('aidb', 'enforce', 'operator:admin');
  assert.deepEqual(short(), [
    'stack: report (environment)',
    'embeddings/embed: report (file)',
    'aidb: enforce (run-time)',
  ]);
  assert.deepEqual(source.describe().at(-1), {
    scope: 'aidb',
    mode: 'enforce',
    source: 'run-time',
    setBy: 'operator:admin',
    setAt: 1_000_000,
  });
  await source.setAll('off', 'operator:admin');
  assert.deepEqual(short(), ['stack: off (run-time, all levels)']);
});

test('what a store no longer enforces after changes were missed is told of, and what was taken back before all ears is not', async (t) => {
  const feed = listeners();
  let current = memoryStore();
  const store = {
    ...current,
    watch: feed.add,
    get modes() {
      return current.modes;
    },
  };
  const warned: string[] = [];
  const source = await modes({
    store,
    file,
    environment: null,
    clock: () => 1_000_000,
    knows: () => true,
    onWarning: (text) => void warned.push(text),
  });
  t.after(() => source.close());
  const missed = async (): Promise<void> => {
    feed.tell(resync);
    await until(() => source.behindSince() === null);
  };
  await source.set('aidb', 'enforce', 'ana');
  await source.set('embeddings', 'report', 'ana');
  await source.set('embeddings/embed', 'enforce', 'ana');
  await source.clear('aidb');
  await missed();
  assert.deepEqual(warned, []);
  await current.modes.setAll({ scope: '*', mode: 'report', setAt: 1_000_001, setBy: 'bob' });
  await missed();
  assert.deepEqual(warned, [], 'said by somebody meanwhile');
  await source.set('embeddings/embed', 'enforce', 'ana');
  current = memoryStore();
  await missed();
  await missed();
  assert.equal(warned.length, 1);
  assert.match(
    warned[0] ?? '',
    /no longer says that these are enforced.*: embeddings\/embed; it has lost that, unless/,
  );
});
