/** MCP servers run by the real program, from the file that desktop clients use. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { cliHere } from '../fixtures/cli-here.ts';
import { misbehaving } from '../fixtures/stdio-stack.ts';
import { startProgram, startUpstream } from './program.ts';

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
