/** The session under the pages, in a real browser: what becomes of them when it ends, and of two tabs that share it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { adminToken, bearer, startAuthority } from '../fixtures/authority-stack.ts';
import { builtPages, cookieOf, operatorPage } from '../fixtures/dashboard-page.ts';
import { loggedIn, password, quick } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';
import { until } from '../fixtures/until.ts';

const browsing = { skip: skipWithout(chromium), timeout: 120_000 };
const yaml = `mode: report\nservices:\n  ocr: { upstream: 'http://127.0.0.1:1' }\n`;

async function before(t: TestContext) {
  builtPages();
  const fixture = await startAuthority(t, { yaml, authority: quick });
  return { ...fixture, ...(await operatorPage(t, fixture)) };
}

test(
  'what was typed into a dialog outlives the session, and is sent once the password was shown',
  browsing,
  async (t) => {
    const { stack, advance, page, open, button } = await before(t);
    await open('tokens');
    await button('Create token').click();
    await page.getByLabel('For', { exact: true }).fill('nightly-job');
    advance(13 * 3600);
    await page.getByText('Your session is over; what you typed is not lost.').waitFor();
    assert.equal(await page.getByLabel('Your password').evaluate('document.activeElement.name'), 'own-password');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('Name, password or code is wrong.').waitFor();
    assert.deepEqual(await stack.tokens.listActive(10), []);
    await page.getByLabel('Your password').fill(password);
    await button('Create').click();
    await page.locator('.secret').waitFor();
    await button('Done').click();
    await page.getByRole('cell', { name: 'nightly-job' }).waitFor();
    await button('Create token').click();
    advance(13 * 3600);
    await page.getByText('Your session is over').waitFor();
    await button('Cancel').click();
    await button('Log in').waitFor();
    assert.equal(await page.getByText('nightly-job').count(), 0);
  },
);

test('a tab goes on with what another one did about the session', browsing, async (t) => {
  const fixture = await before(t);
  const { stack, adminOrigin, advance, context, page: first, open, button } = fixture;
  await open('services');
  const second = await context.newPage();
  await second.goto(`${adminOrigin}/dashboard/#/tokens`);
  advance(400);
  await second.getByRole('button', { name: 'Create token' }).click();
  await second.getByRole('button', { name: 'Create', exact: true }).click();
  await second.getByLabel('Your password').fill(password);
  await second.getByRole('button', { name: 'Create', exact: true }).click();
  await second.locator('.secret').waitFor();
  await second.getByRole('button', { name: 'Done' }).click();
  await button('Set mode').click();
  await first.getByRole('radio', { name: /enforce:/ }).check();
  await first.getByRole('textbox', { name: 'Reason' }).fill('ready');
  await first.getByRole('dialog').getByRole('button', { name: 'Set mode' }).click();
  await first.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(stack.modes.modeOf('ocr', '*', null), 'enforce');

  await first.getByText('ana, operator').waitFor();
  await loggedIn(stack, adminOrigin, 'vera', 'viewer');
  await second.getByRole('button', { name: 'Log out' }).click();
  await button('Log in').waitFor();
  await second.getByLabel('Name').fill('vera');
  await second.getByLabel('Password').fill(password);
  await second.getByRole('button', { name: 'Log in', exact: true }).click();
  await first.getByText('vera, viewer').waitFor();
  assert.equal(await button('Set mode').count(), 0);

  // As whoever comes back from a provider.
  const { cookie, csrf } = await loggedIn(stack, adminOrigin, 'otto');
  await context.addCookies([{ ...cookieOf(cookie), url: adminOrigin }]);
  await second.goto(`${adminOrigin}/dashboard/#csrf=${csrf}`);
  await second.reload();
  await first.getByText('otto, operator').waitFor();
});

test('where it cannot be told who is logged in nobody is asked to log in', browsing, async (t) => {
  const { page, adminOrigin } = await before(t);
  await page.route('**/admin/api/session', (route) =>
    route.fulfill({ status: 503, json: { error: 'The store is away' } }),
  );
  await page.goto(`${adminOrigin}/dashboard/`);
  await page.getByText('It is not known whether you are logged in. The store is away').waitFor();
  await page.unroute('**/admin/api/session');
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
});

test('a password that was shown counts, though what it was shown for is refused', browsing, async (t) => {
  const { advance, page, open, button } = await before(t);
  await open('keys');
  advance(400);
  await button('Create key').click();
  await page.getByLabel('Caller', { exact: true }).fill('ocr');
  await page.getByLabel('Only from').fill('nowhere');
  await page.getByRole('textbox', { name: 'Reason' }).fill('a new caller');
  await button('Create').click();
  await page.getByText('This asks for your password again.').waitFor();
  await page.getByLabel('Your password').fill(password);
  await button('Create').click();
  await page.getByText(/nowhere/).waitFor();
  assert.equal(await page.getByLabel('Your password').count(), 0);
  await page.getByLabel('Only from').fill('');
  await button('Create').click();
  await page.locator('.secret').waitFor();
});

test('who works by keyboard or by ear is told what was done, and stays in the page', browsing, async (t) => {
  const { origin, page, open, button } = await before(t);
  await fetch(`${origin}/auth/token`, { method: 'POST', headers: bearer(adminToken), body: '{}' });
  await open('tokens');
  const revoke = page.getByRole('button', { name: /^Revoke token/ });
  await revoke.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.match(await revoke.evaluate('document.activeElement.textContent'), /^Revoke/);
  await page.keyboard.press('Enter');
  await button('Revoke').press('Enter');
  await page.getByText('No token is active').waitFor();
  await page.getByRole('status').getByText('Done: Revoke.').waitFor();
  await until(() => page.evaluate<boolean>("document.activeElement.id === 'main'"));
});

test(
  'a service that the browser reaches by a port of its own gets a cookie that opens nothing',
  browsing,
  async (t) => {
    const { adminOrigin, context, page, open } = await before(t);
    await open('keys');
    const cookies: string[] = [];
    const service = createServer((req, res) => {
      if (req.headers.cookie) cookies.push(req.headers.cookie);
      res.setHeader('content-type', 'text/html').end('<script>fetch("/mine")</script>');
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    t.after(() => service.close());
    const visited = await context.newPage();
    await visited.goto(`http://127.0.0.1:${(service.address() as AddressInfo).port}/`);
    await visited.waitForLoadState('networkidle');
    const [cookie = ''] = cookies;
    assert.match(cookie, /^countersign_session/, 'cookies know no ports');
    for (const path of ['session', 'keys', 'live', 'events']) {
      const answer = await fetch(`${adminOrigin}/admin/api/${path}`, { headers: { cookie } });
      assert.equal(answer.status, 401, path);
      assert.doesNotMatch(await answer.text(), /csrf/);
    }
    await page.reload();
    await page.getByText('ana, operator').waitFor();
  },
);

test('a link that brings another value for the session ends no session', browsing, async (t) => {
  const { adminOrigin, context, page, open } = await before(t);
  await open('keys');
  const led = await context.newPage();
  await led.goto(`${adminOrigin}/dashboard/#csrf=${'A'.repeat(43)}`);
  await led.getByText('ana, operator').waitFor();
  assert.equal(new URL(led.url()).hash, '#/');
  await page.reload();
  await page.getByText('ana, operator').waitFor();
});
