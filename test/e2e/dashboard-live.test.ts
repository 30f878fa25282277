/** What the pages show as it happens, in a real browser: a network that goes away, many tabs, more than can be counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { decisionRow } from '../../src/stores/store.fixtures.ts';
import { startAuthority } from '../fixtures/authority-stack.ts';
import { builtPages, operatorPage } from '../fixtures/dashboard-page.ts';
import { quick } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';
import { until } from '../fixtures/until.ts';
import { tcpRelay } from '../fixtures/tcp-relay.ts';

const browsing = { skip: skipWithout(chromium), timeout: 180_000 };

test('a stream that went silent, as behind a laptop that slept, is taken up again', browsing, async (t) => {
  builtPages();
  const fixture = await startAuthority(t, { authority: quick });
  const relay = await tcpRelay(t, Number(new URL(fixture.adminOrigin).port));
  const { page, open } = await operatorPage(t, { ...fixture, at: `http://127.0.0.1:${relay.port}` });
  await open('audit');
  await page.getByText('No decision fits.').waitFor();
  await until(() => relay.connections() === 1, 'only the stream is open');
  relay.silence();
  await page.getByText('Stale since').waitFor();
  relay.restore();
  await page.getByText('Stale since').waitFor({ state: 'detached', timeout: 80_000 });
  await fixture.stack.store.decisions.append([{ ...decisionRow(1), path: '/after', time: fixture.stack.clock() }]);
  // A connection of before may be tried first, on which nothing comes.
  await page.getByRole('row').filter({ hasText: '/after' }).waitFor({ timeout: 80_000 });
});

/** A page's own view of whether somebody looks at it, which a browser without a screen does not change. */
const turned = (page: Page, state: 'visible' | 'hidden'): Promise<unknown> =>
  page.evaluate(`
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${state}' });
    document.dispatchEvent(new Event('visibilitychange'));
  `);

test('of any number of tabs those that nobody looks at take no connection from the others', browsing, async (t) => {
  builtPages();
  const fixture = await startAuthority(t, { authority: quick });
  const { page: first, context, open } = await operatorPage(t, fixture);
  await open('audit');
  await first.getByText('No decision fits.').waitFor();
  await turned(first, 'hidden');
  for (let tab = 2; tab <= 9; tab += 1) {
    const page = await context.newPage();
    await page.goto(`${fixture.adminOrigin}/dashboard/#/keys`);
    await page.getByText('No key.').waitFor();
    await turned(page, 'hidden');
  }
  await fixture.stack.store.decisions.append([{ ...decisionRow(1), path: '/meanwhile', time: fixture.stack.clock() }]);
  await turned(first, 'visible');
  await first.getByRole('row').filter({ hasText: '/meanwhile' }).waitFor();
  assert.equal(await first.getByText('Stale since').count(), 0);
});

test('a server that answers without a stream is not said to be away', browsing, async (t) => {
  builtPages();
  const fixture = await startAuthority(t, { authority: quick });
  const { page, open } = await operatorPage(t, fixture);
  await page.route('**/admin/api/live', (route) => route.fulfill({ status: 503, json: {} }));
  await open('overview');
  await page.getByText('The server answers, but does not send what happens now (503)').waitFor();
});

test(
  'more decisions a second than are counted are shown as so many and more, second by second',
  browsing,
  async (t) => {
    builtPages();
    const fixture = await startAuthority(t, { authority: quick });
    const { page, open } = await operatorPage(t, fixture);
    const { stack } = fixture;
    await open('overview');
    await page.getByText('up to 5/s').waitFor();
    const rows = () => Array.from({ length: 120 }, () => ({ ...decisionRow(1), time: stack.clock() }));
    const feed = setInterval(() => void stack.store.decisions.append(rows()).catch(() => undefined), 50);
    t.after(() => clearInterval(feed));
    const bars = page.locator('.chart rect');
    await bars.nth(3).waitFor({ state: 'attached' });
    await page.getByText('≥ 1,000').waitFor();
    await page.getByText('up to 1,000/s and more').waitFor();
    const places = await bars.evaluateAll((all) => all.map((bar) => Number(bar.getAttribute('x'))));
    assert.deepEqual(
      new Set(places.slice(1).map((x, index) => x - (places[index] ?? 0))),
      new Set([10]),
      'no second without',
    );
  },
);

test('a page that is looked at again asks at once, and not when its turn comes', browsing, async (t) => {
  builtPages();
  const fixture = await startAuthority(t, { authority: quick });
  const { page, open } = await operatorPage(t, fixture);
  const { stack } = fixture;
  await page.clock.install();
  await open('tokens');
  await page.getByText('No token is active.').waitFor();
  await turned(page, 'hidden');
  const made = { ttlSeconds: 3600, scopes: [], allowedIps: [], metadata: {}, createdBy: 'operator:ana' };
  await stack.tokens.mint({ ...made, clientId: 'meanwhile' });
  await page.clock.pauseAt(Date.now() + 60_000);
  assert.equal(await page.getByRole('cell', { name: 'meanwhile' }).count(), 0);
  await turned(page, 'visible');
  await page.getByRole('cell', { name: 'meanwhile' }).waitFor();
});
