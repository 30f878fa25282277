/** The rules and the dashboard are about what a server really shows, and a real Prometheus reads both. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { freePort } from '../../test/fixtures/free-port.ts';
import { startProgram, startUpstream } from '../../test/e2e/program.ts';
import { prometheus, promtool, provide, skipWithout } from '../../test/fixtures/programs.ts';
import { temporaryFolder } from '../../test/fixtures/proxied-stack.ts';

const here = import.meta.dirname;
const skip = skipWithout(promtool);

interface Rules {
  readonly groups: readonly { readonly rules: readonly { record?: string; alert?: string; expr: string }[] }[];
}
interface Dashboard {
  readonly panels: readonly { title: string; targets: readonly { expr: string }[] }[];
  readonly templating: { readonly list: readonly { query: string | { query: string } }[] };
}

const rules = (parse(readFileSync(join(here, 'countersign.rules.yml'), 'utf8')) as Rules).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(readFileSync(join(here, '../grafana/countersign.json'), 'utf8')) as Dashboard;

function askPromtool(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(provide(promtool), args, { cwd: here, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}

test('promtool finds no fault in the rules and the configuration', { skip }, () => {
  askPromtool('check', 'rules', 'countersign.rules.yml');
  askPromtool('check', 'config', 'prometheus.yml');
});

test('the alerts are raised when they should be, and not otherwise', { skip }, () => {
  askPromtool('test', 'rules', 'countersign.tests.yml');
  const tested = readFileSync(join(here, 'countersign.tests.yml'), 'utf8');
  for (const { alert } of rules) if (alert) assert.ok(tested.includes(`alertname: ${alert}\n`), alert);
});

const yaml = (upstream: string) => `mode: enforce
services:
  embeddings:
    upstream: ${upstream}
    routes:
      - { path: /health, access: public }
`;

async function started(t: TestContext) {
  const upstream = await startUpstream(t);
  const program = await startProgram(t, { yaml: yaml(upstream.url) });
  for (const path of ['/embeddings/health', '/embeddings/x']) await (await fetch(program.origin + path)).arrayBuffer();
  return program;
}

function namesIn(expression: string): string[] {
  const plain = expression.replace(/"[^"]*"/g, '""');
  return [...plain.matchAll(/\b(?:countersign|process|nodejs)[a-z0-9_:]*/g)].map(([name]) => name);
}

test('a real Prometheus scrapes a server, and every metric of rules and dashboard is there', { skip }, async (t) => {
  const program = await started(t);
  const text = await (await fetch(`${program.origin}/metrics`)).text();
  const shown = new Set(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  const recorded = rules.flatMap(({ record }) => record ?? []);
  const variables = dashboard.templating.list.map(({ query }) => (typeof query === 'string' ? '' : query.query));
  const asked = [
    ...rules.map(({ expr }) => expr),
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...variables,
  ].flatMap(namesIn);
  assert.ok(asked.length > 30);
  assert.deepEqual(
    asked.filter((name) => !shown.has(name) && !recorded.includes(name)),
    [],
  );

  const folder = temporaryFolder(t, 'prometheus');
  copyFileSync(join(here, 'countersign.rules.yml'), join(folder, 'countersign.rules.yml'));
  const config = readFileSync(join(here, 'prometheus.yml'), 'utf8')
    .replace('127.0.0.1:8700', `127.0.0.1:${program.port}`)
    .replaceAll('15s', '1s');
  writeFileSync(join(folder, 'prometheus.yml'), config);
  const port = await freePort();
  const flags = ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`];
  const child = spawn(provide(prometheus), flags, { cwd: folder, stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const query = async (expression: string): Promise<string[]> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const answer = await fetch(url).catch(() => null);
    const body = (await answer?.json().catch(() => null)) as {
      data?: { result: { value: [number, string] }[] };
    } | null;
    return body?.data?.result.map(({ value }) => value[1]) ?? [];
  };
  const until = async (expression: string, value: string): Promise<void> => {
    for (let tries = 0; tries < 300; tries += 1) {
      if ((await query(expression)).join() === value) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`${expression} never was ${value}: ${await query(expression)}`);
  };
  await until('countersign_store_up', '1');
  await until('sum(countersign_decisions_total{outcome="public"})', '1');
  await until('sum(countersign_decisions_total{outcome="deny",reason="missing_credentials"})', '1');
  await until('count(countersign:decisions:rate5m)', '2');
});
