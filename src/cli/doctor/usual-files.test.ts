import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../../test/fixtures/cli-here.ts';

const usual = join(import.meta.dirname, '../../../test/fixtures/usual-stack');

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-usual-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function modesOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), (statSync(path).mode & 0o777).toString(8)];
    }),
  );
}

async function doctorOf(folder: string, ...args: string[]) {
  const { code, stdout } = await cliHere(['doctor', ...args, '--output', 'json'], { cwd: folder });
  const { findings } = JSON.parse(stdout) as { findings: { check: string; place: string }[] };
  return { code, found: findings.map(({ check, place }) => `${check} ${place.replace(folder, '.')}`) };
}

test('nothing is found in the usual files of a stack that hold no secret, and --fix leaves them as they are', async (t) => {
  const folder = folderFor(t);
  cpSync(usual, folder, { recursive: true });
  const before = modesOf(folder);
  assert.ok(Object.keys(before).length > 50);
  for (const file of Object.keys(before)) chmodSync(join(folder, file), 0o644);
  assert.deepEqual(await doctorOf(folder, '--fix'), { code: 0, found: [] });
  assert.deepEqual(new Set(Object.values(modesOf(folder))), new Set(['644']));
});

test('of a stack with secrets --fix narrows files that hold nothing else, and no settings that a program may read as another user', async (t) => {
  const folder = folderFor(t);
  const secret = 'Zk3qPw81mN';
  const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
  const files: Record<string, string> = {
    '.env': `DB_PASSWORD=${secret}\n`,
    'shared.env': `DB_PASSWORD=${secret}\n`,
    'default.env': 'DB_PASSWORD=postgres\n',
    'plain.env': 'PORT=8080\n',
    'grafana/grafana.ini': `[security]\nadmin_password = ${secret}\n`,
    'prometheus.yml': `basic_auth: { password: ${secret} }\n`,
    'secrets/aidb_api_key': `${secret}${secret}\n`,
    'tls/site.pem': `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${key}`,
    'tls/group.key': key,
    'tls/public.key': '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
    'README.md': `# Keys\n\n${key}`,
  };
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), text);
    chmodSync(join(folder, file), /^shared|group/.test(file) ? 0o640 : 0o644);
  }
  const { found } = await doctorOf(folder, '--fix');
  const narrow = Object.entries(modesOf(folder)).filter(([, mode]) => mode === '600');
  assert.deepEqual(narrow.map(([file]) => file).toSorted(), ['.env', 'secrets/aidb_api_key', 'tls/site.pem']);
  assert.deepEqual(
    found.filter((text) => text.startsWith('open-file')),
    ['open-file prometheus.yml', 'open-file grafana/grafana.ini'],
  );
});

test('keys that MCP clients show their servers are found, in headers, arguments and variables', async (t) => {
  const folder = folderFor(t);
  const key = '7f3c9d2e-aidb-5b1a4c8e';
  const client = {
    mcpServers: {
      aidb: { url: 'http://127.0.0.1:8095/mcp', headers: { Authorization: `Bearer ${key}` } },
      remote: { command: 'npx', args: ['mcp-remote', 'http://h/mcp', '--header', `Authorization: Bearer ${key}`] },
      other: { command: 'npx', args: ['mcp-remote', 'http://h/mcp', '--header', `x-api-key: ${key}`] },
      notes: { command: 'notes', env: { NOTES_KEY: key } },
      asked: { url: 'http://h/mcp', headers: { Authorization: 'Bearer ${input:key}', 'x-team': key } },
      shown: { url: 'http://h/mcp', headers: { Authorization: 'Bearer YOUR_API_KEY' } },
    },
  };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify(client, null, 1), { mode: 0o600 });
  const env = `AIDB_KEY=${key}\nPUBLIC_KEY=${key}\nCACHE_KEY=${key}\nSORT_KEY=created_at\nAIDB_KEY_FILE=/run/aidb\n`;
  writeFileSync(join(folder, '.env'), env, { mode: 0o600 });
  const { stdout } = await cliHere(['doctor', '--output', 'json'], { cwd: folder });
  const { findings } = JSON.parse(stdout) as { findings: { place: string; repair: { commands: string[] } }[] };
  const set = (name: string) => `countersign secrets set ${name} --generate`;
  assert.deepEqual(
    findings.slice(1).map(({ place, repair }) => [place, ...repair.commands]),
    [
      ['.env:1', set('aidb_key')],
      ['mcp.json:6', set('aidb_key')],
      ['mcp.json:15', set('remote_key')],
      ['mcp.json:24', set('other_key')],
      ['mcp.json:30', set('notes_key')],
    ],
  );
  assert.doesNotMatch(stdout, new RegExp(key));
});

test('what lies in the files is told although the store does not open, and that it was not looked at', async (t) => {
  const folder = folderFor(t);
  // A file where the folder of the store is to be: nobody can open it, root neither.
  const lines = 'store: sqlite:state/state.db\nservices: { web: { upstream: http://127.0.0.1:8081 } }\n';
  writeFileSync(join(folder, 'countersign.yaml'), lines);
  writeFileSync(join(folder, 'state'), '');
  const none = await cliHere(['doctor'], { cwd: folder });
  assert.equal(none.code, 3);
  writeFileSync(join(folder, '.env'), 'DB_PASSWORD=Zk3qPw81mN\n', { mode: 0o600 });
  const { code, stdout, stderr } = await cliHere(['doctor'], { cwd: folder });
  assert.equal(code, 1);
  assert.match(stdout, /\.env:1: DB_PASSWORD stands there in the clear/);
  assert.match(stderr, /not looked at: keys, clocks, routes and ports: the database .*state\.db cannot be /);
});
