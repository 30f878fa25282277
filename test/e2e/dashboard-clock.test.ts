/** Times in a browser whose clock is wrong, in another time zone and beyond midnight. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createKey } from '../../src/keys/create.ts';
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

test(
  'how long ago something was goes by the server’s clock, and goes on while it is looked at',
  browsing,
  async (t) => {
    const { stack, page, open } = await before(t);
    const now = stack.clock();
    const key = { service: 'ocr', kind: 'sk', scopes: [], allowedIps: [], now: now - 7200 } as const;
    await createKey(stack.store, stack.seal, { ...key, expiresAt: now + 3 * 86_400 + 60 });
    await page.clock.install({ time: (now - 100 * 86_400) * 1000 });
    await open('keys');
    const cell = (name: string) => page.getByRole('cell', { name, exact: true });
    await cell('2 h ago').waitFor();
    await cell('in 3 days').waitFor();
    await cell('ends soon').waitFor();
    await page.route('**/admin/api/keys', (route) => route.abort());
    await page.clock.fastForward(3600_000);
    await cell('3 h ago').waitFor();
    await page.getByText(/^These figures are of .*\d:\d\d.*The server cannot be reached/).waitFor();
    assert.match((await page.locator('td time').first().getAttribute('title')) ?? '', /Z UTC\)$/);
  },
);

test('the report of any period says what it is about, to the hour, as the command does', browsing, async (t) => {
  const { stack, page, open } = await before(t);
  await stack.store.decisions.append([{ ...decisionRow(1), time: stack.clock() }]);
  await open('report?since=40d');
  await page.getByText(/^Counts are kept for 35 days: what was before .* is not in this$/).waitFor();
  assert.equal(await page.getByLabel('Last').inputValue(), '40d');
  const words = (await page.getByText(/^From .* UTC\) to /).textContent()) ?? '';
  const [, from = ''] = /\((\S+) UTC\) to /.exec(words) ?? [];
  const early = stack.clock() - 40 * 86_400 - Date.parse(from) / 1000;
  assert.ok(early >= 0 && early < 3700, `${words}: ${early} s too early`);
});
