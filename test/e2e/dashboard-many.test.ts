/** Lists that are longer than a browser likes, and names that nobody chose for it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
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
