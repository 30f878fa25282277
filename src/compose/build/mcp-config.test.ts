import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadConfig } from '../load.ts';

interface Files {
  readonly yaml: string;
  readonly servers: Readonly<Record<string, unknown>>;
}

/** A folder with a configuration and a file of MCP servers; returns how to read it. */
function reading(t: TestContext, { yaml, servers }: Files) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-mcp-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (value: unknown): void =>
    writeFileSync(join(folder, 'mcp.json'), JSON.stringify(value), { mode: 0o600 });
  write({ mcpServers: servers });
  const file = join(folder, 'countersign.yaml');
  writeFileSync(file, yaml, { mode: 0o600 });
  return { folder, write, read: (env = { PATH: process.env['PATH'] ?? '' }) => loadConfig(file, env) };
}

const files = { command: process.execPath, args: ['files.mjs'], cwd: 'data' };

test('mcpConfig names a file whose servers are services, alone or beside others, and callers of routes', (t) => {
  const alone = reading(t, {
    yaml: 'mcpConfig: mcp.json\n',
    servers: { files, web: { url: 'http://127.0.0.1:9/mcp' } },
  });
  const config = alone.read();
  assert.deepEqual(
    config.services.map(({ name, upstream }) => `${name} ${upstream}`),
    ['files stdio://files', 'web http://127.0.0.1:9'],
  );
  assert.deepEqual(config.mcpFiles, [join(alone.folder, 'mcp.json')]);
  assert.equal(config.services[0]?.command?.cwd, join(alone.folder, 'data'));
  assert.deepEqual(config.warnings, []);

  const routes = '[{ path: /x, callers: [files] }]';
  const yaml = `mcpConfig: mcp.json\nservices:\n  a: { upstream: "http://127.0.0.1:9", routes: ${routes} }\n`;
  const beside = reading(t, { yaml, servers: { files } });
  assert.deepEqual(
    beside.read().services.map(({ name }) => name),
    ['a', 'files'],
  );
});

test('a change of the file of MCP servers is a change of the configuration', (t) => {
  const { read, write } = reading(t, { yaml: 'mcpConfig: mcp.json\n', servers: { files } });
  const { digest } = read();
  write({ mcpServers: { files: { ...files, args: ['other.mjs'] } } });
  assert.notEqual(read().digest, digest);
});

test('what is wrong with the file of MCP servers is said of that file', (t) => {
  const twice = 'mcpConfig: mcp.json\nservices:\n  files: { upstream: http://127.0.0.1:9 }\n';
  assert.throws(reading(t, { yaml: twice, servers: { files } }).read, /mcp\.json: "files": in .*countersign\.yaml too/);
  const slip = { a: { command: 'x', enviroment: {} } };
  assert.throws(
    reading(t, { yaml: 'mcpConfig: mcp.json\n', servers: slip }).read,
    /mcp\.json: unknown key "enviroment"/,
  );
  const absent = reading(t, { yaml: 'mcpConfig: other.json\n', servers: { files } });
  assert.throws(absent.read, /other\.json: the file does not exist — name the file of MCP servers that is meant/);
  assert.throws(reading(t, { yaml: 'mcpConfig: 7\n', servers: { files } }).read, /"mcpConfig" must be a text/);
});
