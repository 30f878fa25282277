/** The pages as others see them: on paper, in the colours of the system, in a low window, without a clipboard. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { decisionRow } from '../../src/stores/store.fixtures.ts';
import { startAuthority } from '../fixtures/authority-stack.ts';
import { builtPages, operatorPage } from '../fixtures/dashboard-page.ts';
import { quick } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';

const browsing = { skip: skipWithout(chromium), timeout: 120_000 };
const yaml = `mode: report\nservices:\n  ocr: { upstream: 'http://127.0.0.1:1' }\n`;

async function before(t: TestContext) {
  builtPages();
  const fixture = await startAuthority(t, { yaml, authority: quick });
  return { ...fixture, ...(await operatorPage(t, fixture)) };
}

test('a key that cannot be copied by the button is selected, and the page says so', browsing, async (t) => {
  const { page, open, button } = await before(t);
  await open('tokens');
  await button('Create token').click();
  await button('Create').click();
  const secret = (await page.locator('.secret').textContent()) ?? '';
  await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  await button('Copy').click();
  await page.getByRole('status').getByText('It is selected').waitFor();
  assert.equal(await page.evaluate('String(getSelection())'), secret);
  assert.deepEqual(faults, []);
  // Nor is it gone by a key that was pressed by habit.
  await page.keyboard.press('Escape');
  await page.getByText('It was not copied yet.').waitFor();
  assert.equal(await page.locator('.secret').textContent(), secret);
  await page.keyboard.press('Escape');
  await page.locator('.secret').waitFor({ state: 'detached' });
});

test('on paper there is all of a table and nothing to press, in dark ink', browsing, async (t) => {
  const { stack, page, open } = await before(t);
  const row = { path: `/${'very-long-'.repeat(40)}`, requestId: 'r'.repeat(64), time: stack.clock() };
  await stack.store.decisions.append([{ ...decisionRow(1), ...row }]);
  await open('audit');
  await page.getByRole('cell', { name: /very-long/ }).waitFor();
  await page.getByLabel('Theme').selectOption('dark');
  await page.setViewportSize({ width: 794, height: 1123 });
  await page.emulateMedia({ media: 'print' });
  const [cut, nav, scheme] = await page.evaluate<[number, string, string]>(`[
    [...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth).length,
    getComputedStyle(document.querySelector('nav').parentElement).display,
    getComputedStyle(document.documentElement).colorScheme,
  ]`);
  assert.deepEqual([cut, nav, scheme], [0, 'none', 'light']);
  assert.equal(await page.getByRole('button').count(), 0);
});

test('in the colours of the system the legend keeps those of its picture', browsing, async (t) => {
  const { page, open } = await before(t);
  await page.emulateMedia({ forcedColors: 'active' });
  await open('overview');
  const colours = await page.evaluate<string[]>(
    "[...document.querySelectorAll('.key')].map((one) => getComputedStyle(one).backgroundColor)",
  );
  assert.equal(new Set(colours).size, 4, colours.join());
});

test('in a low window everything beside the page can be reached', browsing, async (t) => {
  const { page, open, button } = await before(t);
  await page.setViewportSize({ width: 960, height: 400 });
  await open('overview');
  await button('Log out').scrollIntoViewIfNeeded();
  const box = await button('Log out').boundingBox();
  assert.ok(box && box.y + box.height <= 400, 'without scrolling the page');
  assert.equal(await page.evaluate('scrollY'), 0);
});
