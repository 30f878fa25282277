/** report, learn and simulate on a store that holds what was recorded; no server runs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../../core/clock.ts';
import type { DecisionRow } from '../../../core/store.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { decisionRow } from '../../../stores/store.fixtures.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

const yaml = `# ours
store: sqlite:state.db
mode: report
callers: [web, aidb, ocr]
services:
  embeddings: # on the big machine
    upstream: http://127.0.0.1:8081
    routes:
      - { path: /embed, methods: [POST] } # the busy one
      - path: /internal/*
        access: service
  search:
    upstream: http://127.0.0.1:8082
`;

/** Rows of the last hour, ten minutes of each. */
async function place(t: TestContext, rows: readonly Partial<DecisionRow>[]) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-rollout-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), yaml);
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  const start = systemClock() - 1800;
  const recorded = rows.flatMap((row) =>
    Array.from({ length: 10 }, (_, minute) => ({ ...decisionRow(minute, row), time: start + minute * 60 })),
  );
  await store.decisions.append(recorded);
  await store.close();
  return { folder, cli: (...args: string[]) => cliHere(args, { cwd: folder }) };
}

const web: Partial<DecisionRow> = {};
const unruled = { route: '*', path: '/models/7', method: 'GET' } as const;
const scan = { route: '*', outcome: 'would_deny', reason: 'missing_credentials', principal: '' } as const;

test('learn proposes callers and routes as a diff that fits, comments and all', async (t) => {
  const { folder, cli } = await place(t, [
    web,
    { principal: 'service:aidb' },
    { route: '/internal/*', path: '/internal/x', principal: 'service:ocr' },
    { ...unruled },
    { ...unruled, path: '/models/8', principal: 'service:aidb' },
    { service: 'search', route: '*', path: '/query', principal: 'service:aidb' },
  ]);
  const { code, stdout } = await cli('learn');
  assert.equal(code, 0);
  assert.match(stdout, /^-      - \{ path: \/embed, methods: \[POST\] \} # the busy one$/m);
  assert.match(stdout, /^\+      - \{ path: \/embed, methods: \[POST\], callers: \[aidb, web\] \} # the busy one$/m);
  assert.match(stdout, /^\+        callers: \[ocr\]$/m);
  assert.match(stdout, /^\+ {6}# learned: 20 requests in 10 different minutes/m);
  assert.match(stdout, /^\+      - \{ path: \/models\/:id, methods: \[GET\], callers: \[aidb, web\] \}$/m);
  assert.match(stdout, /^\+    routes:\n(?:\+ {6}#.*\n)\+ {6}- \{ path: \/query/m);
  assert.equal(readFileSync(join(folder, 'countersign.yaml'), 'utf8'), yaml, 'nothing is changed without --apply');

  writeFileSync(join(folder, 'routes.diff'), stdout);
  copyFileSync(join(folder, 'countersign.yaml'), join(folder, 'patched.yaml'));
  const patched = spawnSync('patch', ['patched.yaml', 'routes.diff'], { cwd: folder, encoding: 'utf8' });
  if (patched.error === undefined) assert.equal(patched.status, 0, patched.stdout + patched.stderr);

  assert.equal((await cli('learn', '--apply', '--dry-run')).code, 0);
  assert.equal(readFileSync(join(folder, 'countersign.yaml'), 'utf8'), yaml);
  assert.equal((await cli('learn', '--apply')).code, 0);
  const written = readFileSync(join(folder, 'countersign.yaml'), 'utf8');
  if (patched.error === undefined) assert.equal(readFileSync(join(folder, 'patched.yaml'), 'utf8'), written);
  const backup = readdirSync(folder).find((name) => name.includes('before-learn')) ?? '';
  assert.equal(readFileSync(join(folder, backup), 'utf8'), yaml);
  assert.equal((await cli('validate')).code, 0);
  assert.match(written, /embeddings: # on the big machine/);
  // What was allowed stays allowed: nobody who taught is newly refused.
  const { code: safe, stdout: said } = await cli('simulate', '--enforce');
  assert.equal(safe, 0, said);
  const again = await cli('learn');
  assert.deepEqual([again.code, again.stdout], [0, ''], `what was learned is not proposed again: ${again.stderr}`);
});

test('a stranger teaches nothing: neither by scanning, nor often, nor by names', async (t) => {
  const scans = Array.from({ length: 30 }, (_, index) => ({ ...scan, path: `/wp-admin/${index}` }));
  const { cli } = await place(t, [
    ...scans,
    ...Array.from({ length: 5 }, () => ({ ...scan, path: '/secret', claimed: 'service:evil' })),
    { ...web, outcome: 'would_deny', reason: 'not_allowed', path: '/forbidden', route: '*' },
    web,
  ]);
  const { stdout } = await cli('learn');
  assert.doesNotMatch(stdout, /wp-admin|secret|evil|forbidden/);
});

test('what looks public is shown as a comment and never applied', async (t) => {
  const { folder, cli } = await place(t, [{ ...scan, path: '/health', method: 'GET', clientAddress: '10.0.0.5' }, web]);
  assert.match(
    (await cli('learn', '--apply')).stdout,
    /^\+ {6}# - \{ path: \/health, methods: \[GET\], access: public \}$/m,
  );
  assert.doesNotMatch(readFileSync(join(folder, 'countersign.yaml'), 'utf8'), /^[^#]*access: public/m);
});

test('a rule that no line can be added to is named and left to its author', async (t) => {
  const { folder, cli } = await place(t, [web]);
  const rule = '      - {\n          path: /embed,\n          methods: [POST],\n        }\n';
  writeFileSync(join(folder, 'countersign.yaml'), yaml.replace(/ +- \{ path: \/embed.*\n/, rule));
  const { code, stdout, stderr } = await cli('learn');
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, /embeddings/);
  assert.doesNotMatch(stderr, /can teach/);
});

test('what was seen too seldom, or all at once, teaches nothing', async (t) => {
  const { cli } = await place(t, [web]);
  assert.match((await cli('learn', '--min-requests', '11')).stdout, /^$/);
  assert.match((await cli('learn', '--min-times', '11')).stdout, /^$/);
  assert.equal((await cli('learn', '--min-times', '0')).code, 2);
});

test('too little evidence is told from evidence that says nothing new', async (t) => {
  const { folder, cli } = await place(t, [web]);
  assert.equal(
    (await cli('learn', '--min-requests', '11')).stderr,
    '1 route was asked for fewer than 11 times or in fewer than 3 different minutes and teaches nothing yet (--min-requests, --min-times).\n',
  );
  assert.match(
    (await cli('learn', '--min-times', '11', '--min-requests', '1')).stderr,
    /^1 route was asked for in fewer than 11 different minutes/,
  );
  await cli('learn', '--apply');
  const nothingNew = new RegExp(
    `^${folder}/countersign.yaml says already all that 10 requests can teach. Try it: .*\n$`,
  );
  assert.match((await cli('learn')).stderr, nothingNew);
  assert.match(
    (await cli('learn', '--min-requests', '11')).stderr,
    nothingNew,
    'nothing would be learned of more of them',
  );
});

test('one request is one request', async (t) => {
  const { folder, cli } = await place(t, []);
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.decisions.append([
    { ...decisionRow(0), time: systemClock() - 60 },
    { ...decisionRow(0, { ...unruled, path: '/models' }), time: systemClock() - 50 },
  ]);
  await store.close();
  assert.match((await cli('learn')).stderr, /^2 routes were asked for fewer than 10 times or .* and teach nothing yet/);
  const { stdout } = await cli('learn', '--min-requests', '1', '--min-times', '1');
  assert.match(stdout, /# learned: 1 request in 1 minute, /);
  await cli('learn', '--min-requests', '1', '--min-times', '1', '--apply', '--since', '55s');
  assert.match((await cli('learn', '--since', '55s')).stderr, /says already all that 1 request can teach/);
});

test('simulate ends with 1 when a known caller would newly be refused, and names it', async (t) => {
  const { folder, cli } = await place(t, [
    web,
    { principal: 'service:aidb' },
    { ...scan, path: '/embed', route: '/embed' },
  ]);
  writeFileSync(join(folder, 'new.yaml'), yaml.replace('methods: [POST] }', 'methods: [POST], callers: [aidb] }'));
  const { code, stdout } = await cli(
    'simulate',
    '--against',
    join(folder, 'new.yaml'),
    '--enforce',
    '--output',
    'json',
  );
  assert.equal(code, 1);
  const found = JSON.parse(stdout) as { newly_refused: { caller: string; reason: string; count: number }[] };
  assert.deepEqual(
    found.newly_refused.map(({ caller, reason, count }) => [caller, reason, count]),
    [
      ['service:web', 'not_allowed', 10],
      ['', 'missing_credentials', 10],
    ],
  );
  assert.match(
    (await cli('simulate', '--against', join(folder, 'new.yaml'))).stdout,
    /once enforced\n.*\n.*service:web/,
  );
  assert.equal((await cli('simulate')).code, 0);
  assert.equal((await cli('simulate', '--against', join(folder, 'missing.yaml'))).code, 1);
});

test('simulate says of refused pages that it cannot tell, where the service asks for their origin', async (t) => {
  const { folder, cli } = await place(t, [{ ...web, outcome: 'would_deny', reason: 'not_allowed' }]);
  const asked = yaml.replace('8081\n', '8081\n    origins: [https://app.example.org]\n');
  writeFileSync(join(folder, 'new.yaml'), asked);
  const { stdout } = await cli('simulate', '--against', join(folder, 'new.yaml'));
  assert.match(stdout, /Cannot be told\n +10 +the Origin/);
  assert.doesNotMatch(stdout, /Newly allowed/);
});

test('simulate names the limits and the rules for tools that it could not try', async (t) => {
  const { folder, cli } = await place(t, [web]);
  const file = join(folder, 'new.yaml');
  const limited = yaml.replace('methods: [POST] }', 'methods: [POST], rateLimit: { limit: 1, per: 60s } }');
  writeFileSync(file, `${limited}    tools: { deny: [wipe] }\n`);
  const { stderr } = await cli('simulate', '--against', file);
  assert.match(stderr, /could not be tried, .*: rateLimit of embeddings, tools of search\n/);
  const { stdout } = await cli('simulate', '--against', file, '--output', 'json');
  assert.deepEqual((JSON.parse(stdout) as { not_tried: string[] }).not_tried, [
    'rateLimit of embeddings',
    'tools of search',
  ]);
  assert.equal((await cli('simulate')).stderr, '');
});

test('a request for no service at all is shown by its own path', async (t) => {
  const { cli } = await place(t, [
    { ...scan, service: '', route: '', path: '/wp-login.php', reason: 'no_such_service' },
  ]);
  assert.match((await cli('audit', 'tail', '-n', '1')).stdout, / \/wp-login\.php /);
});

test('report is written in four forms, to the terminal or to a file that only its owner reads', async (t) => {
  const { folder, cli } = await place(t, [web]);
  assert.match((await cli('report')).stdout, /Ready to enforce/);
  assert.match((await cli('report', '--format', 'markdown')).stdout, /^# Countersign report/);
  assert.equal((JSON.parse((await cli('report', '--format', 'json')).stdout) as { requests: number }).requests, 10);
  const { code, stdout } = await cli('report', '--format', 'html', '--out', join(folder, 'report.html'));
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /^<!doctype html>/);
  assert.equal(statSync(join(folder, 'report.html')).mode & 0o777, 0o600);
  assert.equal((await cli('report', '--format', 'pdf')).code, 2);
  assert.equal((await cli('report', '--out', join(folder, 'nowhere', 'report.txt'))).code, 1);
});

test('report says of a stack that is enforced, by modes or by a ramp that is through, that it is', async (t) => {
  const { folder, cli } = await place(t, [web]);
  const said = async (...more: string[]): Promise<string> => {
    const { stdout, stderr } = await cli('report', ...more);
    return `${stdout.split('\n')[2]} ${stderr}`;
  };
  assert.match(await said(), /^Ready to enforce[^]*Next, step by step/);
  await cli('mode', 'set', 'enforce', 'embeddings');
  assert.match(await said(), /^Ready to enforce[^]*Next, step by step/);
  assert.match(await said('--service', 'embeddings'), /^All is enforced: /);
  await cli('mode', 'set', 'enforce');
  assert.match(await said(), /^All is enforced: .* $/);
  assert.equal((await cli('report', '--check')).code, 0);
  await cli('mode', 'set', 'report', '--all');
  const plan = join(folder, 'ramp.yaml');
  writeFileSync(plan, 'steps: [{ routes: ["*"], soak: 1s }]\n');
  assert.equal((await cli('ramp', 'start', plan)).code, 0);
  assert.match(await said(), /^All is enforced: .* $/);
});

test('what is left out of what to mend is said behind the rest', async (t) => {
  const callers = Array.from({ length: 23 }, (_, index) => ({
    ...scan,
    principal: `service:c${index}`,
    reason: 'expired' as const,
  }));
  const { cli } = await place(t, callers);
  assert.match((await cli('report')).stdout, /What to mend\n- service:c[^]*--to FILE\n… and 3 more\n\n/);
  assert.match(
    (await cli('report', '--format', 'markdown')).stdout,
    /## What to mend\n\n- [^]*--to FILE\n\n… and 3 more\n/,
  );
  assert.match((await cli('report', '--format', 'html')).stdout, /<\/ol>\n<p>… and 3 more<\/p>/);
});

test('report names the configuration that it was given in its commands, in each form', async (t) => {
  const called = 'countersign keys list';
  const { folder } = await place(t, [
    scan,
    { ...scan, principal: 'service:aidb', reason: 'expired', path: `/${called}` },
  ]);
  const config = join(folder, 'countersign.yaml');
  for (const format of ['text', 'markdown', 'html', 'json']) {
    const ran = await cliHere(['report', '--config', config, '--format', format], { cwd: tmpdir() });
    assert.match(ran.stdout, /countersign learn --config \S*countersign\.yaml/, format);
    assert.match(ran.stdout, /countersign keys create --config \S*countersign\.yaml aidb/, format);
    assert.doesNotMatch(ran.stdout, /countersign (?:keys|learn|audit)(?: \w+)* (?!--config|\w)/, format);
  }
  const json = JSON.parse((await cliHere(['report', '--output', 'json'], { cwd: folder })).stdout) as {
    verdict: { mend: { commands: string[] }[] };
  };
  assert.deepEqual(json.verdict.mend[0]?.commands[0], 'countersign keys list aidb --all');
});

test('a ramp is planned from what was recorded, started, ordered about, and begun anew', async (t) => {
  const late = { outcome: 'would_deny', reason: 'timestamp_outside_window', principal: 'service:aidb' } as const;
  const { folder, cli } = await place(t, [web, { ...late, service: 'search', route: '*', path: '/query' }]);
  const [plan, next] = [join(folder, 'ramp.yaml'), join(folder, 'next.yaml')];
  const done = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const planned = await done('ramp', 'plan', '--since', '2h');
  const asJson = JSON.parse(await done('ramp', 'plan', '--since', '2h', '--output', 'json')) as { plan: string };
  assert.match(asJson.plan, /^name: enforce$/m);
  assert.match(planned, /# Nobody who is known would be refused\.\n {2}- routes:\n {6}- embeddings\/embed\n/);
  assert.match(
    planned,
    /# To be mended first:\n {2}# {3}service:aidb at search\/\*: timestamp_outside_window, 10 times/,
  );
  assert.match(planned, /promote: manual/);

  await done('ramp', 'plan', '--out', plan);
  assert.equal(statSync(plan).mode & 0o777, 0o600);
  const edited = `${readFileSync(plan, 'utf8')}exempt: []\n`;
  writeFileSync(plan, edited);
  const over = await cli('ramp', 'plan', '--out', plan);
  assert.equal(over.code, 1);
  assert.match(over.stderr, /ramp\.yaml exists already and was left alone\n.*--force/);
  assert.equal(readFileSync(plan, 'utf8'), edited);
  const forced = await cli('ramp', 'plan', '--out', plan, '--force');
  assert.equal(forced.code, 0, forced.stderr);
  assert.notEqual(readFileSync(plan, 'utf8'), edited);
  const kept = readdirSync(folder).filter((name) => name.startsWith('ramp.yaml.before-ramp-plan-'));
  assert.equal(kept.length, 1, 'what was edited is kept');
  assert.equal(readFileSync(join(folder, kept[0] ?? ''), 'utf8'), edited);
  assert.match(forced.stderr, /what was there before is .*ramp\.yaml\.before-ramp-plan-/);
  const onFolder = await cli('ramp', 'plan', '--out', folder, '--force');
  assert.match(onFolder.stderr, /is no file\n.*Name a file to write to/);
  const shown = await cli('ramp', 'start', plan, '--dry-run');
  assert.match(shown.stderr, /step 4 would refuse today: service:aidb at search\/\* \(timestamp_outside_window\)/);
  assert.equal(await done('ramp', 'status', '--output', 'json'), 'null', 'nothing was changed');

  await done('ramp', 'start', plan, '--reason', 'agreed');
  const again = await cli('ramp', 'start', plan);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /the ramp "enforce" is running/);
  await done('ramp', 'promote');
  const statusOf = async (...args: string[]): Promise<string[]> =>
    (JSON.parse(await done('ramp', ...args, '--output', 'json')) as { steps: { status: string }[] }).steps.map(
      ({ status }) => status,
    );
  assert.deepEqual(await statusOf('pause'), ['passed', 'enforced', 'waiting', 'waiting']);
  assert.equal((await cli('ramp', 'status')).code, 1);
  assert.deepEqual(await statusOf('rollback', '--dry-run'), ['passed', 'rolled_back', 'waiting', 'waiting']);
  assert.deepEqual(await statusOf('rollback', '1'), ['rolled_back', 'enforced', 'waiting', 'waiting']);
  assert.equal((await cli('ramp', 'rollback', '1')).code, 1, 'it is already');
  assert.equal((await cli('ramp', 'rollback', 'one')).code, 2);
  assert.deepEqual(await statusOf('resume'), ['enforced', 'enforced', 'waiting', 'waiting']);
  await done('ramp', 'rollback', 'all', '--reason', 'INC-7');
  assert.match((await cli('ramp', 'status')).stdout, /rolled back by hand: INC-7/);

  writeFileSync(plan, 'steps:\n  - { routes: [search/*] }\n');
  await done('ramp', 'start', plan);
  await done('ramp', 'promote');
  writeFileSync(next, 'steps:\n  - { routes: [embeddings/*] }\n');
  const began = await cli('ramp', 'start', next);
  assert.match(began.stderr, /What the ramp before enforced stays enforced: search/);
  assert.match(await done('mode', 'get'), /search +enforce +run-time/);
  const wrong = await cli('ramp', 'start', join(folder, 'countersign.yaml'));
  assert.equal(wrong.code, 1);
});

test('the tail says from where whoever proves nothing called, and finds callers as a rule and the report name them', async (t) => {
  const from = { clientAddress: '10.0.7.9' };
  const claims = { ...scan, reason: 'invalid_signature', claimed: 'service:ocr', ...from } as const;
  const { cli } = await place(t, [web, { ...scan, ...from }, claims]);
  const tail = async (...who: string[]): Promise<string> => (await cli('audit', 'tail', '-n', '1', ...who)).stdout;
  assert.match(await tail('--caller', '(unnamed)'), / {2}\(unnamed\) from 10\.0\.7\.9 {2}.*missing_credentials/);
  assert.match(await tail('--caller', 'ocr?'), / {2}service:ocr\? from 10\.0\.7\.9 {2}.*invalid_signature/);
  assert.match(await tail('--caller', 'web'), / {2}service:web {2}/);
  assert.equal(await tail('--caller', 'token:web'), '');
});

test('a plan and its start say whom nobody knows and it would refuse, since no gate waits for them', async (t) => {
  const { folder, cli } = await place(t, [web, { ...scan, route: '/embed', clientAddress: '10.0.7.9' }]);
  const plan = join(folder, 'ramp.yaml');
  const { stdout } = await cli('ramp', 'plan', '--since', '2h');
  assert.match(
    stdout,
    /# Nobody who is known would be refused\.\n {2}# Would be refused besides.*\n {2}# {3}\(unnamed\) from 10\.0\.7\.9 at embeddings\/embed: missing_credentials, 10 times\n/,
  );
  writeFileSync(plan, stdout);
  const shown = await cli('ramp', 'start', plan, '--dry-run');
  assert.match(
    shown.stderr,
    /look whether one of them is yours:\n {2}\(unnamed\) from 10\.0\.7\.9 at embeddings\/embed \(missing_credentials\), from step 1 on\n/,
  );
  const json = JSON.parse((await cli('ramp', 'start', plan, '--dry-run', '--output', 'json')).stdout) as {
    predicted: { step: number; callers: string[]; strangers: string[] }[];
  };
  assert.deepEqual(json.predicted[0], {
    step: 1,
    callers: [],
    strangers: ['(unnamed) from 10.0.7.9 at embeddings/embed (missing_credentials)'],
  });
});

test('of a step over many routes the first are shown, and how many more there are', async (t) => {
  const { folder, cli } = await place(t, [web]);
  const services = Array.from({ length: 30 }, (_, index) => `  s${index}: { upstream: http://127.0.0.1:9 }\n`).join('');
  writeFileSync(join(folder, 'countersign.yaml'), `${yaml}${services}`);
  const plan = join(folder, 'ramp.yaml');
  const routes = Array.from({ length: 30 }, (_, index) => `s${index}/*`);
  writeFileSync(plan, `steps:\n  - { routes: [${routes.join(', ')}] }\n`);
  assert.match((await cli('ramp', 'start', plan)).stdout, / s0\/\*, s1\/\*, s2\/\*, s3\/\*, s4\/\*, s5\/\*, 24 more\n/);
  const { steps } = JSON.parse((await cli('ramp', 'status', '--output', 'json')).stdout) as {
    steps: { routes: string[] }[];
  };
  assert.deepEqual(steps[0]?.routes, routes);
  assert.match((await cli('status')).stdout, /by the ramp: s0 enforce 100 %,.* s9 enforce 100 %, 20 more\n/);
});

test('whoever is exempt is not among those whom a step would refuse', async (t) => {
  const stranger = { outcome: 'would_deny', reason: 'not_allowed', principal: 'service:ocr' } as const;
  const { folder, cli } = await place(t, [stranger, { ...scan, clientAddress: '10.0.7.9' }]);
  const plan = join(folder, 'ramp.yaml');
  const until = 'until: 2100-01-31, owner: ops@example.org, reason: later';
  const said = async (exempt: string): Promise<string> => {
    writeFileSync(plan, `steps:\n  - { routes: [embeddings/*] }\nexempt: [${exempt}]\n`);
    return (await cli('ramp', 'start', plan, '--dry-run')).stderr;
  };
  assert.match(await said(''), /step 1 would refuse today: service:ocr at embeddings\/embed \(not_allowed\)/);
  assert.match(await said(`{ caller: ocr, routes: [search/*], ${until} }`), /would refuse today/);
  assert.doesNotMatch(await said(`{ caller: ocr, routes: [embeddings/embed], ${until} }`), /would refuse/);
  assert.doesNotMatch(await said(`{ allowedIps: [0.0.0.0/0], routes: [embeddings/*], ${until} }`), /would refuse/);
});

test('a report of nothing asks whether anybody calls the gateway at all', async (t) => {
  const { cli } = await place(t, []);
  assert.match((await cli('report')).stderr, /Do callers call the gateway, http:\/\/127\.0\.0\.1:8700\/SERVICE\//);
});

test('a report after which enforcing is safe tells how, until it is done', async (t) => {
  const { cli } = await place(t, [web]);
  const next = /Next, step by step: countersign ramp plan --out ramp\.yaml\. Or at once: countersign mode set enforce/;
  assert.match((await cli('report')).stderr, next);
  assert.doesNotMatch((await cli('report', '--output', 'json')).stderr, next);
  const { stderr } = await cli('mode', 'set', 'enforce');
  assert.match(stderr, /See it from outside: countersign probe\. Back: countersign mode set report --all/);
  assert.doesNotMatch((await cli('report')).stderr, next);
});

test('report --check ends by its verdict in every form, and a report without it never does', async (t) => {
  const ready = await place(t, [web]);
  const wanting = await place(t, [web, { outcome: 'would_deny', reason: 'not_allowed', principal: 'service:ocr' }]);
  const silent = await place(t, []);
  for (const form of [[], ['--output', 'json'], ['--format', 'html', '--out', join(wanting.folder, 'report.html')]]) {
    assert.equal((await ready.cli('report', '--check', ...form)).code, 0);
    assert.equal((await wanting.cli('report', '--check', ...form)).code, 1);
    // What was not seen is no evidence.
    assert.equal((await silent.cli('report', '--check', ...form)).code, 1);
    assert.equal((await wanting.cli('report', ...form)).code, 0);
  }
  const { stdout } = await wanting.cli('report');
  assert.equal((await wanting.cli('report', '--check')).stdout, stdout);
});

test('enforcing tells of the requests that it will refuse, and only of those that are meant', async (t) => {
  const { cli } = await place(t, [
    web,
    { outcome: 'would_deny', reason: 'not_allowed', principal: 'service:ocr' },
    { ...scan, service: 'search', path: '/x' },
  ]);
  const set = async (...args: string[]) => (await cli('mode', 'set', 'enforce', ...args, '--dry-run')).stderr;
  assert.match(await set(), /20 requests of the last 24 hours would be refused from now on.*countersign report\n/);
  assert.match(await set('--all'), /20 requests/);
  assert.match(await set('embeddings/embed'), /10 requests/);
  assert.match(await set('search'), /10 requests/);
  assert.equal(await set('embeddings/internal/*'), '');
  assert.doesNotMatch((await cli('mode', 'set', 'report')).stderr, /would be refused/);
});
