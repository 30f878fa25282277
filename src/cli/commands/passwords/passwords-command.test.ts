/** `passwords rotate` from the command line to the bundle; the servers themselves: secrets/passwords/rotate-password.test.ts. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { CliResult } from '../../../../test/e2e/program.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { grafanaStandIn, type GrafanaStandIn } from '../../../../test/fixtures/grafana.ts';

interface Place {
  readonly folder: string;
  readonly grafana: GrafanaStandIn;
  readonly bundle: string;
  /** Where admin logs in. */
  readonly url: string;
  cli(args: readonly string[], stdin?: string): Promise<CliResult>;
}

async function place(t: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-passwords-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const grafana = await grafanaStandIn(t);
  const env = { SOPS_AGE_KEY_FILE: join(folder, 'keys.txt'), COUNTERSIGN_CONFIG: join(folder, 'countersign.yaml') };
  const cli: Place['cli'] = (args, stdin = '') => cliHere(args, { cwd: folder, env, stdin });
  assert.equal((await cli(['secrets', 'init'])).code, 0);
  const url = new URL(grafana.url);
  url.username = 'admin';
  return { folder, grafana, cli, url: url.href, bundle: join(folder, 'secrets.sops.yaml') };
}

test('the password that everybody knows is replaced, and the bundle knows the new one and nobody was shown it', async (t) => {
  const { grafana, cli, url } = await place(t);
  const rotated = await cli(['passwords', 'rotate', 'grafana', url, '--current-stdin'], 'admin\n');
  assert.equal(rotated.code, 0, rotated.stderr);
  const next = grafana.passwords.get('admin') ?? '';
  assert.match(next, /^[0-9A-Za-z]{43}-Aa1$/);
  assert.equal((rotated.stdout + rotated.stderr).includes(next), false);
  assert.equal((await cli(['secrets', 'get', 'grafana_password'])).stdout, `${next}\n`);

  const again = await cli(['passwords', 'rotate', 'grafana', url, '--output', 'json']);
  assert.deepEqual(JSON.parse(again.stdout), {
    kind: 'grafana',
    account: 'admin',
    secret: 'grafana_password',
    resumed: false,
    remaining: null,
    dry_run: false,
  });
  assert.notEqual(grafana.passwords.get('admin'), next);
});

test('a dry run, a change that does not hold and a server that is away leave the bundle as it was', async (t) => {
  const { grafana, cli, url, bundle } = await place(t);
  await cli(['secrets', 'set', 'grafana_password'], 'admin');
  const before = readFileSync(bundle, 'utf8');
  const dry = await cli(['passwords', 'rotate', 'grafana', url, '--dry-run']);
  assert.deepEqual([dry.code, readFileSync(bundle, 'utf8')], [0, before]);
  assert.equal(grafana.passwords.get('admin'), 'admin');

  const away = await cli(['passwords', 'rotate', 'grafana', 'http://admin@127.0.0.1:1']);
  assert.deepEqual([away.code, readFileSync(bundle, 'utf8')], [3, before]);

  grafana.forgetChanges = true;
  const failed = await cli(['passwords', 'rotate', 'grafana', url]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /taken back, and the old password counts/);
  assert.equal((await cli(['secrets', 'get', 'grafana_password'])).stdout, 'admin\n');
  assert.equal((await cli(['secrets', 'get', 'grafana_password_next'])).code, 1);
});

test('where there is a configuration, the audit says whose password was rotated, also when the old one could not be ended', async (t) => {
  const { folder, grafana, cli, url, bundle } = await place(t);
  const services = 'services: { aidb: { upstream: http://127.0.0.1:9 } }\n';
  writeFileSync(join(folder, 'countersign.yaml'), `store: sqlite:state.db\n${services}`);
  await cli(['passwords', 'rotate', 'grafana', url, '--current-stdin', '--dry-run'], 'admin');
  const rotated = await cli(['passwords', 'rotate', 'grafana', url, '--current-stdin', '--reason', 'INC-8'], 'admin');
  assert.deepEqual([rotated.code, rotated.stderr], [0, '']);
  grafana.keepOld = true;
  const left = await cli(['passwords', 'rotate', 'grafana', url]);
  assert.match(left.stderr, /still accepts the old one/);
  const { stdout } = await cli(['audit', 'tail', '--events', '--output', 'json']);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; subject: string; reason: string; detail: object });
  const detail = { kind: 'grafana', account: 'admin', server: grafana.url.host, bundle, resumed: false };
  assert.deepEqual(
    events.map(({ type, subject, reason, detail: told }) => [type, subject, reason, told]),
    [
      ['password.rotated', 'grafana_password', 'INC-8', detail],
      ['password.rotated', 'grafana_password', '', detail],
    ],
  );
  assert.equal(stdout.includes((await cli(['secrets', 'get', 'grafana_password'])).stdout.trim()), false);

  writeFileSync(join(folder, 'countersign.yaml'), `store: postgres://nobody@127.0.0.1:1/none\n${services}`);
  grafana.keepOld = false;
  const unrecorded = await cli(['passwords', 'rotate', 'grafana', url]);
  assert.equal(unrecorded.code, 0, unrecorded.stderr);
  assert.match(unrecorded.stderr, /^warning: done, but not in the audit: Postgres at 127\.0\.0\.1:1/);
});

test('slips are answered before anything is asked of the server, and a password in the URL is not repeated', async (t) => {
  const { grafana, cli, url } = await place(t);
  const slips: readonly [args: string[], meant: RegExp][] = [
    [['grafana', url.replace('admin@', 'admin:opensesame@')], /a password stands in the URL/],
    [['postgres', 'postgres://x@h/d?password=opensesame'], /a password stands in the URL/],
    [['grafana', 'opensesame'], /URL of grafana is written http:/],
    [['redis', url], /URL of redis is written redis:/],
    [['grafana', url.replace('admin@', '100%@')], /the account in the URL of grafana has a "%"/],
    [['mysql', url], /KIND is postgres, redis, grafana/],
    [['toString', url], /KIND is/],
    [['grafana', url, '--account', 'viewer'], /--account needs --login-secret/],
    [['grafana', url, '--secret', '../x'], /--secret: a name is/],
  ];
  for (const [args, meant] of slips) {
    const { code, stderr } = await cli(['passwords', 'rotate', ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, meant);
    assert.doesNotMatch(stderr, /opensesame/);
  }
  const unknown = await cli(['passwords', 'rotate', 'grafana', url]);
  assert.match(unknown.stderr, /the bundle has no grafana_password/);
  assert.equal(
    grafana.asked.some((line) => line.startsWith('PUT')),
    false,
  );
});
