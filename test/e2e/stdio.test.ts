/** MCP servers run by the real program, from the file that desktop clients use. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { once } from 'node:events';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { cliHere } from '../fixtures/cli-here.ts';
import { misbehaving } from '../fixtures/stdio-stack.ts';
import { runCli, startProgram, startUpstream } from './program.ts';

/** A zombie is over: it waits for whoever adopted it. */
function runs(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

test('serve --mcp-config: its servers answer, and none outlives a gateway that is killed', async (t) => {
  const { url: upstream } = await startUpstream(t);
  const servers = {
    desk: { command: process.execPath, args: [misbehaving], env: { API_TOKEN: 'hunter2-hunter2' } },
    web: { type: 'http', url: `${upstream}/mcp` },
    off: { command: 'nothing', disabled: true },
  };
  const program = await startProgram(t, {
    yaml: `mode: enforce\ncallers: [aidb]\nservices:\n  other: { upstream: ${upstream} }\n`,
    files: { 'mcp.json': JSON.stringify({ mcpServers: servers }) },
    args: ['--mcp-config', 'mcp.json'],
  });
  assert.match(program.stderr(), /no other command knows .*mcp\.json; write into countersign\.yaml: mcpConfig: "\//);
  const made = await program.cli(['keys', 'create', 'aidb']);
  const headers = { 'x-api-key': made.stdout.trim() };
  const web = await fetch(`${program.origin}/web/mcp`, { headers });
  assert.equal(web.status, 200);
  await web.arrayBuffer();
  assert.equal((await fetch(`${program.origin}/desk/`)).status, 401);

  const client = new Client({ name: 'test', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(`${program.origin}/desk/`), { requestInit: { headers } });
  await client.connect(transport as Transport);
  const said = async (name: string): Promise<number | number[]> => {
    const { content } = (await client.callTool({ name })) as { content: { text: string }[] };
    return JSON.parse(content[0]?.text ?? '') as number | number[];
  };
  const pids = [await said('stubborn'), await said('child')].flat();
  assert.equal(pids.length, 3);
  assert.ok(pids.every(runs));
  program.process.kill('SIGKILL');
  await once(program.process, 'exit');
  for (let count = 0; count < 1600 && pids.some(runs); count += 1) await pause(25);
  assert.deepEqual(pids.filter(runs), []);
});

test('serve --mcp-config: a file that cannot be served is refused in words that help', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'countersign-mcp-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const services = 'services:\n  other: { upstream: http://127.0.0.1:9 }\n';
  writeFileSync(join(cwd, 'countersign.yaml'), services);
  const file = join(cwd, 'mcp.json');
  const refusals: [unknown, RegExp][] = [
    [{}, /"mcpServers" is missing or empty/],
    [{ mcpServers: { other: { command: 'x' } } }, /"other": in .*countersign\.yaml too/],
    [{ mcpServers: { a: { url: 'https://x', headers: { Authorization: 'Bearer hunter2' } } } }, /upstreamKey/],
    [{ mcpServers: { a: { args: [] } } }, /"upstream" is missing in service "a"/],
    [{ mcpServers: { a: { command: 'x', enviroment: {} } } }, /unknown key "enviroment"/],
  ];
  for (const [value, words] of refusals) {
    writeFileSync(file, JSON.stringify(value));
    const { code, stderr } = await cliHere(['serve', '--mcp-config', file], { cwd });
    assert.equal(code, 1, stderr);
    assert.match(stderr, words);
    assert.ok(!stderr.includes('hunter2'));
  }
});

test('servers of mcpConfig are services to every command, and a program that is missing is named at the start', async (t) => {
  const { url: upstream } = await startUpstream(t);
  const servers = { web: { url: `${upstream}/mcp` }, desk: { command: 'no-such-program-here' } };
  const program = await startProgram(t, {
    yaml: 'mode: enforce\nmcpConfig: mcp.json\n',
    files: { 'mcp.json': JSON.stringify({ mcpServers: servers }) },
  });
  assert.match(program.stderr(), /the command of "desk" is not found in PATH: no-such-program-here/);
  assert.equal((await fetch(`${program.origin}/web/mcp`)).status, 401);
  const status = await program.cli(['status']);
  assert.match(status.stdout, /countersign\.yaml, 2 services/);
  const probe = await program.cli(['probe', '--service', 'web']);
  assert.match(probe.stdout, /authenticated 1\/1/, probe.stderr);
  assert.equal((await program.cli(['mode', 'set', 'report', 'web'])).code, 0);
  for (let count = 0; count < 200 && (await fetch(`${program.origin}/web/mcp`)).status !== 200; count += 1)
    await pause(25);
  assert.equal((await fetch(`${program.origin}/web/mcp`)).status, 200);

  const more = { ...servers, more: { url: upstream } };
  writeFileSync(join(program.folder, 'mcp.json'), JSON.stringify({ mcpServers: more }));
  for (let count = 0; count < 200 && (await fetch(`${program.origin}/more/`)).status === 404; count += 1)
    await pause(25);
  assert.equal((await fetch(`${program.origin}/more/`)).status, 401);
});

test('a file of MCP servers served alone says how to make keys, and that way leads to a caller who is let in', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'countersign-mcp-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const mcpServers = { web: { url: 'http://127.0.0.1:9/mcp' } };
  writeFileSync(join(cwd, 'mcp.json'), JSON.stringify({ mcpServers }));
  // Its ports are taken, so that it says what it has to say and ends.
  const taken = await Promise.all([8700, 8701].map((port) => takenPort(t, port)));
  const { code, stderr } = await runCli(['serve', '--mcp-config', 'mcp.json'], { cwd });
  assert.notEqual(code, 0, taken.join());
  assert.match(stderr, /no key can be made for a caller; write it: countersign init --mcp-config mcp\.json/);
  assert.doesNotMatch(stderr, /keys create/);

  const made = await cliHere(['init', '--mcp-config', join(cwd, 'mcp.json')], { cwd });
  assert.equal(made.code, 0, made.stderr);
  assert.match(readFileSync(join(cwd, 'countersign.yaml'), 'utf8'), /^mcpConfig: "mcp\.json"$/m);
  assert.equal((await cliHere(['validate'], { cwd })).code, 0);
  assert.equal((await cliHere(['keys', 'create', 'aidb'], { cwd })).code, 0);
  assert.equal((await cliHere(['mode', 'set', 'enforce', 'web'], { cwd })).code, 0);
  const refused = await cliHere(['init', '--mcp-config', join(cwd, 'none.json'), '--force'], { cwd });
  assert.match(refused.stderr, /none\.json: the file does not exist/);
});

/** Whoever has it already does as well. */
async function takenPort(t: TestContext, port: number): Promise<number> {
  const server = createServer().listen(port, '127.0.0.1');
  await Promise.race([once(server, 'listening'), once(server, 'error')]).catch(() => undefined);
  t.after(() => server.close());
  return port;
}
