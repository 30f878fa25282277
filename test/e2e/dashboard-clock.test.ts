/** Times in a browser whose clock is wrong, in another time zone and beyond midnight. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKey } from '../../src/keys/create.ts';
import { startAuthority } from '../fixtures/authority-stack.ts';
import { builtPages, operatorPage } from '../fixtures/dashboard-page.ts';
import { quick } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';

test(
  'how long ago something was goes by the server’s clock, and goes on while it is looked at',
  { skip: skipWithout(chromium), timeout: 120_000 },
  async (t) => {
    builtPages();
    const fixture = await startAuthority(t, { authority: quick });
    const { stack } = fixture;
    const now = stack.clock();
    const key = { service: 'ocr', kind: 'sk', scopes: [], allowedIps: [], now: now - 7200 } as const;
    await createKey(stack.store, stack.seal, { ...key, expiresAt: now + 3 * 86_400 + 60 });
    const { page, open } = await operatorPage(t, fixture);
    await page.clock.install({ time: (now - 100 * 86_400) * 1000 });
    await open('keys');
    const cell = (name: string) => page.getByRole('cell', { name, exact: true });
    await cell('2 h ago').waitFor();
    await cell('in 3 days').waitFor();
    await cell('ends soon').waitFor();
    await page.route('**/admin/api/keys', (route) => route.abort());
    await page.clock.fastForward(3600_000);
    await cell('3 h ago').waitFor();
    assert.match((await page.locator('td time').first().getAttribute('title')) ?? '', /Z UTC\)$/);
  },
);
