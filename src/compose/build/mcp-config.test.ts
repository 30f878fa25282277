import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadConfig } from '../load/load.ts';

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
    servers: {
      files,
      web: { url: 'http://127.0.0.1:9/mcp' },
      gemini: { httpUrl: 'http://127.0.0.1:10/mcp' },
      windsurf: { serverUrl: 'http://127.0.0.1:11/mcp' },
    },
  });
  const config = alone.read();
  assert.deepEqual(
    config.services.map(({ name, upstream }) => `${name} ${upstream}`),
    ['files stdio://files', 'web http://127.0.0.1:9', 'gemini http://127.0.0.1:10', 'windsurf http://127.0.0.1:11'],
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

test("VS Code's file is read as it is: `servers`, comments, commas before a closing bracket", (t) => {
  const { folder, read } = reading(t, { yaml: 'mcpConfig: mcp.json\n', servers: {} });
  const text = `{
    // what is asked for
    "inputs": [{ "id": "token", "type": "promptString", }], /* of
    two lines */
    "servers": {
      "files": { "type": "stdio", "command": "cat", "args": ["http://a//b", "/*", ",]", "\\",}"], "dev": {} },
    },
  }`;
  writeFileSync(join(folder, 'mcp.json'), text, { mode: 0o600 });
  assert.deepEqual(read().services[0]?.command?.args, ['http://a//b', '/*', ',]', '",}']);
});

test('whatever a client alone may have is told at once, with what to write instead', (t) => {
  const url = 'http://127.0.0.1:9/mcp';
  const servers = {
    bearer: { url, headers: { Authorization: 'Bearer s3cret-s3cret' } },
    key: { url, headers: { 'X-API-Key': 's3cret-s3cret' } },
    other: { url, headers: { 'X-Team': 'a' } },
    relative: { url: 'localhost' },
  };
  const { read } = reading(t, { yaml: 'mcpConfig: mcp.json\n', servers });
  assert.throws(read, (error: Error) => {
    const own = 'into a file that only you can read, and write in place of them: "upstreamKey": {"file": "FILE"';
    assert.deepEqual(
      error.message.split('\n').map((line) => line.replace(/^.*?mcp\.json: /, '')),
      [
        `the server "bearer" has headers — put the key alone, without "Bearer", ${own}}`,
        `the server "key" has headers — put the key ${own}, "header": "x-api-key"}`,
        'the server "other" has headers — leave them out here: what its callers send in them is passed on',
        'the server "relative" has a url that is no address — write http:// or https://',
      ],
    );
    return true;
  });
});

test('a query in the url, which the gateway does not send, is warned of and not repeated', (t) => {
  const web = { url: 'https://127.0.0.1:9/mcp?apiKey=s3cret-s3cret' };
  const [warning = '', ...others] = reading(t, { yaml: 'mcpConfig: mcp.json\n', servers: { web } }).read().warnings;
  assert.match(
    warning,
    /mcp\.json: what stands behind the "\?" in the url of "web" is sent only where callers write it themselves: move it from there into the url in their files, or, .* upstreamKey$/,
  );
  assert.doesNotMatch(warning, /s3cret/);
  assert.deepEqual(others, []);
});

test("VS Code's envFile is the server's, from the folder of the file on; one that only a client finds is refused", (t) => {
  const server = { type: 'stdio', command: process.execPath, envFile: '.env' };
  const { folder, read, write } = reading(t, { yaml: 'mcpConfig: mcp.json\n', servers: { a: server } });
  assert.throws(read, /the file \S*\.env does not exist/);
  writeFileSync(join(folder, '.env'), 'TOKEN=x\n', { mode: 0o600 });
  assert.equal(read().services[0]?.command?.envFile, join(folder, '.env'));
  assert.deepEqual(read().warnings, []);
  // Told before the first caller meets a server that cannot be started.
  chmodSync(join(folder, '.env'), 0o644);
  assert.match(read().warnings.join('\n'), /\.env: group or others can read or write it .* run: chmod 600 \S*\.env$/);
  write({ servers: { a: { ...server, envFile: '${workspaceFolder}/.env' } } });
  assert.throws(read, /the server "a" has an envFile with a variable, which only clients fill in — write its path out/);
});

test('variables that only clients fill in are warned of', (t) => {
  const env = { TOKEN: '${input:token}', HOME: '${HOME}', PLAIN: '$5' };
  const shell = { command: process.execPath, args: ['-c', 'echo ${HOME}'] };
  const servers = { a: { command: process.execPath, args: ['${workspaceFolder}/a.mjs'], env }, shell };
  const { read } = reading(t, { yaml: 'mcpConfig: mcp.json\n', servers });
  assert.deepEqual(
    read().warnings.map((line) => line.replace(/^.*?mcp\.json: /, '')),
    [
      '"TOKEN" of "a" holds a variable, which only clients fill in; write "secrets": {"TOKEN": {"env": "TOKEN"}}',
      '"HOME" of "a" holds a variable, which only clients fill in; write "secrets": {"HOME": {"env": "HOME"}}',
      'the command of "a" holds a variable, which only clients fill in; write its value out',
    ],
  );
});
