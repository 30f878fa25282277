/** Lists that are longer than a browser likes, and names that nobody chose for it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { decisionRow } from '../../src/stores/store.fixtures.ts';
import { startAuthority } from '../fixtures/authority-stack.ts';
import { builtPages, operatorPage } from '../fixtures/dashboard-page.ts';
import { quick } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';

const browsing = { skip: skipWithout(chromium), timeout: 120_000 };

async function before(t: TestContext) {
  builtPages();
  const fixture = await startAuthority(t, { authority: quick });
  return { ...fixture, ...(await operatorPage(t, fixture)) };
}

test('of very many keys the first are drawn, more when asked for, and each is found', browsing, async (t) => {
  const { stack, page, open, button } = await before(t);
  const key = { kind: 'sk', material: null, lastFour: 'abcd', imported: false, scopes: [], allowedIps: [] } as const;
  const ends = { createdAt: stack.clock(), expiresAt: null, revokedAt: null, replaces: null, pending: false };
  for (let number = 1; number <= 1200; number += 1) {
    const id = String(number).padStart(10, '0');
    await stack.store.keys.insert({ ...key, ...ends, id, service: `svc-${number}`, digest: id.repeat(7).slice(0, 64) });
  }
  await open('keys');
  const rows = page.locator('tbody tr');
  await page.getByText('The first 500 of 1,200 are shown.').waitFor();
  assert.equal(await rows.count(), 500);
  await button('Show more').click();
  await page.getByText('The first 1,000 of 1,200 are shown.').waitFor();
  await button('Show more').click();
  await page.getByText('are shown.').waitFor({ state: 'detached' });
  assert.equal(await rows.count(), 1200);
  await page.getByRole('searchbox', { name: 'Find' }).fill('svc-1199');
  await page.getByRole('cell', { name: 'svc-1199', exact: true }).waitFor();
  assert.equal(await rows.count(), 1);
});

test('a token that is not among the newest thousand is found, and ended', browsing, async (t) => {
  const { stack, page, open, button } = await before(t);
  const made = { ttlSeconds: 3600, scopes: [], allowedIps: [], metadata: {}, createdBy: 'operator:ana' };
  await stack.tokens.mint({ ...made, clientId: 'the-oldest' });
  for (let number = 1; number <= 1000; number += 1) await stack.tokens.mint({ ...made, clientId: `job-${number}` });
  await open('tokens');
  await page.getByText('These are the newest 1,000; there are more.').waitFor();
  await page.getByRole('searchbox', { name: 'Find' }).fill('The-Oldest');
  await page.keyboard.press('Enter');
  await page.getByRole('cell', { name: 'the-oldest', exact: true }).waitFor();
  await page.getByRole('button', { name: /^Revoke token/ }).click();
  await button('Revoke').click();
  await page.getByText('No active token has this').waitFor();
});

test(
  'names that callers chose are shown as they are, and neither run, hide nor push anything aside',
  browsing,
  async (t) => {
    const { stack, page, open } = await before(t);
    const names = [
      '<img src=x onerror=alert(1)>',
      '\u202egnp.exe',
      'x'.repeat(300),
      'a/b?c#d',
      '__proto__',
      '👩‍👩‍👧‍👦'.repeat(20),
    ];
    const refused = {
      outcome: 'would_deny',
      reason: 'missing_credentials',
      principal: '',
      time: stack.clock(),
    } as const;
    await stack.store.decisions.append(
      names.map((claimed) => ({ ...decisionRow(1), ...refused, claimed, path: `/${claimed}`, requestId: claimed })),
    );
    let ran = 0;
    page.on('dialog', (dialog) => {
      ran += 1;
      void dialog.dismiss();
    });
    await page.setViewportSize({ width: 1280, height: 800 });
    await open('audit');
    const cut = page.locator('.scroll');
    await page.getByRole('link', { name: `${names[0]}?`, exact: true }).waitFor();
    await page.getByRole('link', { name: '\ufffdgnp.exe?', exact: true }).waitFor();
    const widths = await cut.evaluate((all) => all.scrollWidth / all.clientWidth);
    assert.ok(widths < 1.4, `no column is out of reach: ${widths}`);
    for (const name of names.filter((one) => !one.startsWith('\u202e'))) {
      await open(`callers/${encodeURIComponent(`${name}?`)}`);
      await page.getByRole('heading', { level: 1, name: `${name}?`, exact: true }).waitFor();
      await page.getByRole('link', { name: 'Its decisions' }).click();
      await page.getByRole('heading', { level: 1, name: 'Decisions' }).waitFor();
      await page.getByRole('link', { name, exact: true }).waitFor();
      assert.equal(await page.locator('tbody tr').count(), 1, name);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    for (const place of ['overview', 'report', 'callers', 'audit', 'graph']) {
      await open(place);
      await page.getByText('Loading…').first().waitFor({ state: 'detached' });
      assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= 360, place);
    }
    assert.equal(ran, 0);
  },
);

test('a list of the newest says so, and what is older is found by what it was and by whom', browsing, async (t) => {
  const { stack, page, open } = await before(t);
  const actor = { id: 'cli:root', via: 'cli', from: 'gateway-1' } as const;
  await stack.trail.record({ type: 'mode.set', subject: 'the first of all' }, actor);
  for (let number = 1; number <= 220; number += 1)
    await stack.trail.record({ type: 'key.created', subject: `k-${number}` }, actor);
  await stack.store.decisions.append(Array.from({ length: 220 }, () => ({ ...decisionRow(1), time: stack.clock() })));
  await open('audit');
  await page.getByText('These are the newest 200 that fit.').waitFor();
  await open('events');
  await page.getByText('These are the newest 200 that fit.').waitFor();
  const first = page.getByRole('cell', { name: 'the first of all' });
  assert.equal(await first.count(), 0);
  await page.getByRole('searchbox', { name: 'What' }).fill('mode.set');
  await page.keyboard.press('Enter');
  await first.waitFor();
  await page.getByRole('searchbox', { name: 'Who' }).fill('operator:nobody');
  await page.keyboard.press('Enter');
  await page.getByText('No change fits.').waitFor();
});
