import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium as driver, type Browser } from 'playwright-core';
import { sealer } from '../../src/audit/chain/sealer.ts';
import type { Stack } from '../../src/compose/stack.ts';
import { systemClock } from '../../src/core/clock.ts';
import { sqliteStore } from '../../src/stores/sqlite/store.ts';
import { startProgram } from '../../test/e2e/program.ts';
import { appoint, password } from '../../test/fixtures/operator.ts';
import { chromium, provide } from '../../test/fixtures/programs.ts';
import { median, type Bench, type NamedCase } from '../measure.ts';
import { recordDay } from '../recorded-day.ts';

const decisions = 5_000_000;
const runs = 9;
const keptSeconds = 7 * 86_400;
const keptRows = 10_000_000;
const root = join(import.meta.dirname, '../..');

/** Milliseconds since the browser set out. */
interface Shown {
  readonly paint: number;
  /** Until the figures of the overview stand there. */
  readonly figures: number;
}

/** The overview of the real program in a real browser that has cached nothing, beside that of a server without decisions. */
const cases: readonly NamedCase[] = [
  {
    name: 'dashboard, first paint',
    onlyNamed: true,
    async run(bench) {
      const dashboard = join(root, 'dashboard/dist/index.html');
      if (!existsSync(dashboard)) execFileSync('npm', ['run', '--silent', 'dashboard:build'], { cwd: root });
      const browser = await driver.launch({
        executablePath: provide(chromium),
        args: ['--no-sandbox', '--disable-gpu'],
      });
      try {
        const full = await shownBy(browser, decisions, bench);
        const empty = await shownBy(browser, 0, bench);
        const report = (what: keyof Shown, name: string): void =>
          bench.report({
            case: `dashboard over ${decisions} decisions: ${name}`,
            unit: 'ms',
            ours: median(full.map((shown) => shown[what])),
            peer: median(empty.map((shown) => shown[what])),
            peer_name: 'no decisions',
            runs,
          });
        report('paint', 'first paint');
        report('figures', 'figures shown');
      } finally {
        await browser.close();
      }
    },
  },
];

export default cases;

async function shownBy(browser: Browser, count: number, bench: Bench): Promise<Shown[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-dashboard-'));
  const endings: (() => unknown)[] = [];
  try {
    const file = join(folder, 'state.db');
    const loginCode = await filled(file, count, bench);
    const names = Array.from({ length: 12 }, (_, index) => `service-${index}`);
    const program = await startProgram(
      { after: (end) => void endings.unshift(end) },
      {
        store: `sqlite:${file}`,
        yaml: `mode: report
audit: { retain: ${keptSeconds}s, retainRows: ${keptRows} }
services:
${names.map((name) => `  ${name}: { upstream: 'http://127.0.0.1:1' }`).join('\n')}
`,
      },
    );
    const url = `http://127.0.0.1:${program.adminPort}/dashboard/`;
    const state = await loggedIn(browser, url, loginCode);
    const shown: Shown[] = [];
    for (let run = 0; run < runs; run += 1) shown.push(await shownTo(browser, url, state));
    return shown;
  } finally {
    for (const end of endings) await end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A store whose decisions are sealed, as they are where a server runs; resolves to the code of the operator's first login. */
async function filled(file: string, count: number, bench: Bench): Promise<string> {
  const store = sqliteStore({ file });
  await store.migrate();
  const began = performance.now();
  await recordDay(store, count, systemClock());
  const retain = { seconds: keptSeconds, rows: keptRows };
  const self = { id: 'server:bench', via: 'server', from: 'bench' } as const;
  const parts = { events: store.events, decisions: store.decisions, clock: systemClock, self };
  await sealer({ ...parts, retain, retainEvents: { seconds: keptSeconds, rows: 100_000 } }).seal();
  if (count > 0) bench.say(`recorded and sealed in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  // Of a stack only these are asked for.
  const code = await appoint({ store, clock: systemClock } as Stack, 'ana');
  await store.close();
  return code;
}

type State = Awaited<ReturnType<Awaited<ReturnType<Browser['newContext']>>['storageState']>>;

async function loggedIn(browser: Browser, url: string, loginCode: string): Promise<State> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('Name').fill('ana');
  await page.getByRole('button', { name: 'First login, with a code', exact: true }).click();
  await page.getByLabel('Login code').fill(loginCode);
  await page.getByLabel('New password').fill(password);
  await page.getByLabel('The same again').fill(password);
  await page.getByRole('button', { name: 'Choose and log in', exact: true }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  const state = await context.storageState();
  await context.close();
  return state;
}

/** Runs in the page; the sources here know no DOM. */
const noteFigures = `new MutationObserver((_, observer) => {
  if (document.querySelector('dl.figures') === null) return;
  globalThis.figuresAt = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });`;

async function shownTo(browser: Browser, url: string, storageState: State): Promise<Shown> {
  const context = await browser.newContext({ storageState });
  const page = await context.newPage();
  await page.addInitScript(noteFigures);
  await page.goto(url);
  await page.locator('dl.figures').waitFor({ timeout: 60_000 });
  const shown = await page.evaluate(() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
    figures: (globalThis as unknown as { figuresAt?: number }).figuresAt ?? Number.NaN,
  }));
  await context.close();
  return shown;
}
