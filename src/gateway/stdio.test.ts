/** MCP servers that the gateway runs itself, real ones, before the official clients of both majors. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { misbehaving, modern, stdioStack, type StdioStack } from '../../test/fixtures/stdio-stack.ts';
import { until } from '../../test/fixtures/until.ts';

const everything = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/dist/index.js');

async function clientV1(t: TestContext, { url }: StdioStack, key: string, capabilities = {}): Promise<ClientV1> {
  const client = new ClientV1({ name: 'test', version: '1.0.0' }, { capabilities });
  await client.connect(new TransportV1(url, { requestInit: { headers: { 'x-api-key': key } } }) as Transport);
  t.after(() => client.close());
  return client;
}

async function clientV2(t: TestContext, { url }: StdioStack, key: string, auto = true): Promise<ClientV2> {
  const client = new ClientV2({ name: 'test', version: '1.0.0' }, auto ? { versionNegotiation: { mode: 'auto' } } : {});
  await client.connect(new TransportV2(url, { requestInit: { headers: { 'x-api-key': key } } }));
  t.after(() => client.close());
  return client;
}

interface Caller {
  callTool(call: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
}

/** What a tool of the fixtures said. */
async function said(client: Caller, name: string, given: Record<string, unknown> = {}): Promise<unknown> {
  const { content } = (await client.callTool({ name, arguments: given })) as { content: { text: string }[] };
  return JSON.parse(content[0]?.text ?? 'null');
}

/** Zombies do not count: they wait for whoever adopted them. */
function runs(pid: unknown): boolean {
  return existsSync(`/proc/${String(pid)}/cwd`) && isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Begins a session. */
async function open({ url }: StdioStack, key: string): Promise<Response> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'x-api-key': key, accept: 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} }),
  });
  await answer.arrayBuffer();
  return answer;
}

/** They wait for time-outs of seconds. */
const slow = { skip: process.env['COUNTERSIGN_SOAK'] !== '1' && 'in npm run soak' };

describe('an MCP server that the gateway runs', () => {
  it('serves the official clients: calls, progress, questions to the client', async (t) => {
    const stack = await stdioStack(t, { args: [everything, 'stdio'] });
    const client = await clientV1(t, stack, stack.keys[0], { sampling: {} });
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: 'none',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: 'asked and answered' },
    }));
    const { tools } = await client.listTools();
    assert.ok(tools.length > 5);
    const echoed = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
    assert.match(JSON.stringify(echoed), /Echo: hello/);
    const steps: number[] = [];
    await client.callTool(
      { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } },
      undefined,
      {
        onprogress: ({ progress }) => void steps.push(progress),
      },
    );
    assert.deepEqual(steps, [1, 2]);
    const sampled = await client.callTool({
      name: 'trigger-sampling-request',
      arguments: { prompt: 'say', maxTokens: 5 },
    });
    assert.match(JSON.stringify(sampled), /asked and answered/);
    const second = await clientV2(t, stack, stack.keys[1]);
    assert.match(JSON.stringify(await second.callTool({ name: 'echo', arguments: { message: 'two' } })), /Echo: two/);
  });

  it('serves the revision without sessions, one process for each caller', async (t) => {
    const stack = await stdioStack(t, { args: [modern] });
    const [first, again] = [await clientV2(t, stack, stack.keys[0]), await clientV2(t, stack, stack.keys[0])];
    assert.equal(first.getProtocolEra(), 'modern');
    const pid = await said(first, 'pid');
    assert.equal(await said(again, 'pid'), pid);
    assert.notEqual(await said(await clientV2(t, stack, stack.keys[1]), 'pid'), pid);
    assert.notEqual(await said(await clientV2(t, stack, stack.keys[0], false), 'pid'), pid);
  });

  it('runs in a process for each session, which is its caller’s alone', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving] });
    const own = await clientV1(t, stack, stack.keys[0]);
    const pids = [
      await said(own, 'pid'),
      await said(await clientV1(t, stack, stack.keys[0]), 'pid'),
      await said(await clientV1(t, stack, stack.keys[1]), 'pid'),
    ];
    assert.equal(new Set(pids).size, 3);
    const session = (own.transport as TransportV1).sessionId ?? '';
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    for (const [key, status] of [
      [stack.keys[0], 200],
      [stack.keys[1], 404],
    ] as const)
      for (const method of ['POST', 'DELETE'] as const) {
        if (key === stack.keys[0] && method === 'DELETE') continue;
        const answer = await fetch(stack.url, {
          method,
          headers: { 'x-api-key': key, 'mcp-session-id': session, accept: 'application/json' },
          ...(method === 'POST' && { body: JSON.stringify(ping) }),
        });
        assert.equal(answer.status, status, `${method} ${key}`);
        await answer.arrayBuffer();
      }
    await (own.transport as TransportV1).terminateSession();
    await until(() => !runs(pids[0]), 'the process of an ended session is gone');
    assert.ok(runs(pids[2]));
  });

  it('gets the variables that the configuration gives it and none of ours', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'stdio-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'token');
    writeFileSync(file, 'from a file\n', { mode: 0o600 });
    const stack = await stdioStack(
      t,
      {
        args: [misbehaving],
        env: { LEVEL: 'info' },
        secrets: { API_TOKEN: { file }, OTHER: { env: 'OURS' } },
      },
      { OURS: 'from a variable', AUTH_ADMIN_TOKEN: 'nobody but us' },
    );
    const { PATH: _, ...rest } = (await said(await clientV1(t, stack, stack.keys[0]), 'environment')) as object & {
      PATH: string;
    };
    const names = Object.entries(rest).filter(([name]) => name !== 'PWD' && name !== '_' && name !== 'OLDPWD');
    assert.deepEqual(Object.fromEntries(names), { LEVEL: 'info', API_TOKEN: 'from a file', OTHER: 'from a variable' });
    chmodSync(file, 0o644);
    await assert.rejects(clientV1(t, stack, stack.keys[0]), /503|cannot be started/);
    assert.ok(stack.told.some((line) => /API_TOKEN.*group or others can read/.test(line)));
  });

  it('gets the variables of its .env file, which env and secrets overrule, and a change of it counts for the next process', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'stdio-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const envFile = join(folder, '.env');
    const write = (token: string): void =>
      writeFileSync(envFile, `API_TOKEN=${token} # ours\nexport LEVEL="debug"\nOTHER=x\n`, { mode: 0o600 });
    write('hunter2-hunter2');
    const stack = await stdioStack(
      t,
      { args: [misbehaving], envFile, env: { LEVEL: 'info' }, secrets: { OTHER: { env: 'OURS' } } },
      { OURS: 'from a variable' },
    );
    const client = await clientV1(t, stack, stack.keys[0]);
    const seen = async (from: typeof client) => (await said(from, 'environment')) as Record<string, string>;
    const { API_TOKEN, LEVEL, OTHER } = await seen(client);
    assert.deepEqual(
      { API_TOKEN, LEVEL, OTHER },
      { API_TOKEN: 'hunter2-hunter2', LEVEL: 'info', OTHER: 'from a variable' },
    );
    assert.equal(await said(client, 'chatter'), 'said');
    await until(() => stack.told.some((line) => line.includes('my secret is')), 'its lines are told');
    assert.ok(!stack.told.join('\n').includes('hunter2'));
    write('another-of-them');
    assert.equal((await seen(await clientV1(t, stack, stack.keys[0])))['API_TOKEN'], 'another-of-them');
    writeFileSync(envFile, 'API_TOKEN="open\n');
    await assert.rejects(clientV1(t, stack, stack.keys[0]), /503|cannot be started/);
    assert.ok(
      stack.told.some((line) => /line 1 of .*\.env: the quotes do not end/.test(line)),
      stack.told.join('\n'),
    );
    chmodSync(envFile, 0o644);
    await assert.rejects(clientV1(t, stack, stack.keys[0]), /503|cannot be started/);
    assert.ok(stack.told.some((line) => /\.env: group or others can read/.test(line)));
  });

  it('has what it says beside the protocol in our log: printable, bounded, without its secrets', async (t) => {
    const stack = await stdioStack(
      t,
      { args: [misbehaving], secrets: { API_TOKEN: { env: 'OURS' } } },
      { OURS: 'hunter2-hunter2' },
    );
    const client = await clientV1(t, stack, stack.keys[0]);
    assert.equal(await said(client, 'garbage'), 'still here');
    assert.equal(await said(client, 'chatter'), 'said');
    await until(() => stack.told.some((line) => line.includes('my secret is')), 'its lines are told');
    assert.ok(stack.told.some((line) => /^run\[\d+\] wrote to standard output what is no message: Debug/.test(line)));
    assert.ok(stack.told.some((line) => /my secret is \[secret\]\ufffd/.test(line)));
    assert.ok(!stack.told.join('\n').includes('hunter2'));
    assert.ok(stack.told.length < 80, String(stack.told.length));
  });

  it('passes on questions and numbers as they are, and cancels what nobody waits for', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving] });
    const client = await clientV1(t, stack, stack.keys[0], { sampling: {} });
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: 'none',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: 'yes' },
    }));
    assert.match(JSON.stringify(await said(client, 'ask')), /"text":"yes"/);
    const leaving = new AbortController();
    const nothing = client.callTool({ name: 'nothing' }, undefined, { signal: leaving.signal });
    leaving.abort('enough');
    await assert.rejects(nothing);
    const session = (client.transport as TransportV1).sessionId ?? '';
    const post = (name: string, signal?: AbortSignal): Promise<Response> =>
      fetch(stack.url, {
        method: 'POST',
        headers: { 'x-api-key': stack.keys[0], 'mcp-session-id': session, accept: 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 'a', method: 'tools/call', params: { name } }),
        ...(signal && { signal }),
      });
    assert.match(await (await post('number')).text(), /"id":"a","result":\{"n":12345678901234567890\}/);
    const gone = new AbortController();
    const waiting = post('nothing', gone.signal).catch(() => undefined);
    await pause(100);
    gone.abort();
    await waiting;
    const cancelled = async (): Promise<number> =>
      ((await said(client, 'heard')) as { method?: string }[]).filter(
        ({ method }) => method === 'notifications/cancelled',
      ).length;
    for (let count = 0; count < 50 && (await cancelled()) < 2; count += 1) await pause(20);
    assert.equal(await cancelled(), 2);
  });
});

describe('an MCP server that the gateway runs, with rules', () => {
  it('is held to them like any other', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving], tools: { allow: ['pid'] } });
    const client = await clientV1(t, stack, stack.keys[0]);
    assert.ok(Number(await said(client, 'pid')) > 0);
    await assert.rejects(client.callTool({ name: 'crash' }), /tool_not_allowed/);
    assert.ok(Number(await said(client, 'pid')) > 0);
  });

  it('refuses nothing in report mode: what would be refused finds its session', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving], mode: 'report', tools: { deny: ['pid'] } });
    const client = await clientV1(t, stack, stack.keys[0]);
    assert.ok(Number(await said(client, 'pid')) > 0);
    const session = (client.transport as TransportV1).sessionId ?? '';
    const ping = (headers: Record<string, string>): Promise<Response> =>
      fetch(stack.url, {
        method: 'POST',
        headers: { 'mcp-session-id': session, accept: 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      });
    assert.equal((await ping({})).status, 200, 'whose key has ended');
    assert.equal((await ping({ 'x-auth-mode': 'enforce' })).status, 200, 'whatever a caller says');
  });
});

describe('an MCP server that the gateway runs, where nothing is enforced', () => {
  const opening = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} });
  // As a page of any site may send it: its browser asks nobody before.
  const posted = async (stack: StdioStack, headers: Record<string, string>): Promise<number> => {
    const sent = { 'content-type': 'text/plain', accept: 'application/json', ...headers };
    const answer = await fetch(stack.url, { method: 'POST', headers: sent, body: opening });
    await answer.arrayBuffer();
    return answer.status;
  };

  for (const mode of ['report', 'off'])
    it(`is not called by pages of other sites in mode ${mode}, which it was out of reach of before`, async (t) => {
      const stack = await stdioStack(t, {
        args: [misbehaving],
        mode,
        origins: ['https://ui.example'],
        hosts: ['tools.example'],
        processes: { perCaller: 8 },
      });
      for (const origin of ['http://evil.example', 'null', 'https://localhost.evil.example', 'https://ui.example:444'])
        assert.equal(await posted(stack, { origin }), 403, origin);
      for (const origin of [
        'https://ui.example',
        'https://tools.example',
        'http://localhost:6274',
        'http://127.0.0.1:1',
        'http://[::1]:1',
      ])
        assert.equal(await posted(stack, { origin }), 200, origin);
      assert.equal(await posted(stack, {}), 200, 'a program');
    });

  it('is called by whatever page has a key', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving], mode: 'report' });
    assert.equal(await posted(stack, { origin: 'http://evil.example', 'x-api-key': stack.keys[0] }), 200);
    assert.equal(await posted(stack, { origin: 'http://evil.example', 'x-api-key': 'wrong' }), 403);
  });
});

describe('an MCP server that the gateway runs, without rules', () => {
  const posted = ({ url, keys }: StdioStack, body: string): Promise<Response> =>
    fetch(url, { method: 'POST', headers: { 'x-api-key': keys[0], accept: 'application/json' }, body });

  it('is sent no message with so many values that reading them would hold up everybody', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving] });
    const opening = (values: number): string =>
      `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"a":[1234567890123456${',1'.repeat(values)}]}}`;
    assert.equal((await posted(stack, opening(99_000))).status, 200);
    const refused = await posted(stack, opening(100_001));
    assert.equal(refused.status, 413);
    assert.match(await refused.text(), /too many values/);
  });

  it('is sent messages that are held in no more memory than the bodies of other services', async (t) => {
    const size = 16 * 1024 * 1024;
    const stack = await stdioStack(t, { args: [misbehaving], maxSignedBody: size });
    // Alone a caller has half of the room.
    const uploads = [0, 1].map(() => {
      const upload = request(stack.url, {
        method: 'POST',
        headers: { 'x-api-key': stack.keys[0], 'content-length': size },
      });
      upload.on('error', () => undefined);
      t.after(() => upload.destroy());
      upload.write(Buffer.alloc(size - 1, ' '));
      return upload;
    });
    // Without a session it is refused for that, once it was read.
    const small = async (): Promise<Response> => {
      const answer = await posted(stack, '{"jsonrpc":"2.0","id":1,"method":"ping"}');
      await answer.arrayBuffer();
      return answer;
    };
    let answer = await small();
    for (; answer.status === 400; answer = await small()) await pause(25);
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5']);
    uploads[0]?.destroy();
    for (; answer.status === 503; answer = await small()) await pause(25);
    assert.equal(answer.status, 400);
  });

  it('is sent the messages of proven callers, whatever strangers begin to send where they are let in', async (t) => {
    const size = 16 * 1024 * 1024;
    const stack = await stdioStack(t, { args: [misbehaving], maxSignedBody: size, mode: 'report' });
    for (let count = 0; count < 4; count += 1) {
      const upload = request(stack.url, { method: 'POST', headers: { 'content-length': size } });
      t.after(() => upload.destroy());
      upload.on('error', () => undefined).write(Buffer.alloc(size - 1, ' '));
    }
    const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
    // Until they have sent what they may, or all that they want to.
    for (let status = 0; status !== 503; await pause(25)) {
      const answer = await fetch(stack.url, { method: 'POST', body: ping });
      ({ status } = answer);
      await answer.arrayBuffer();
    }
    const answer = await posted(stack, ' '.repeat(size - 100) + ping);
    assert.equal(answer.status, 400, 'without a session it is refused for that, once it was read');
    await answer.arrayBuffer();
  });
});

describe('an MCP server that the gateway runs and that misbehaves', () => {
  it('fails its own requests alone when it ends, and a new session has a new process', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving] });
    const [client, other] = [await clientV1(t, stack, stack.keys[0]), await clientV1(t, stack, stack.keys[1])];
    await assert.rejects(client.callTool({ name: 'crash' }), /The MCP server ended: exit 3/);
    await assert.rejects(client.ping(), /Session not found/);
    assert.ok(Number(await said(other, 'pid')) > 0);
    assert.ok(Number(await said(await clientV1(t, stack, stack.keys[0]), 'pid')) > 0);
    assert.ok(stack.told.some((line) => /ended unasked: exit 3/.test(line)));
  });

  it('is not started again and again when it ends at once', async (t) => {
    const stack = await stdioStack(t, { args: ['-e', 'process.exit(7)'] });
    // Each wait is twice as long as the one before, so that one of the attempts comes too soon on any machine.
    let told = '';
    for (let count = 0; count < 8 && !told.includes('keeps ending'); count += 1)
      told = await clientV1(t, stack, stack.keys[0]).then(
        () => assert.fail('it cannot be had'),
        ({ message }: Error) => message,
      );
    assert.match(told, /keeps ending/);
    const missing = await stdioStack(t, { command: 'no-such-program-here' });
    await assert.rejects(clientV1(t, missing, missing.keys[0]), /there is no such command/);
  });

  it('is ended when it says nothing any more, or far too much, or grows too large', slow, async (t) => {
    const stack = await stdioStack(t, {
      args: [misbehaving],
      timeouts: { response: '10s' },
      processes: { memory: '150MiB', perCaller: 2 },
    });
    const hanging = await clientV1(t, stack, stack.keys[0]);
    const pid = await said(hanging, 'pid');
    await assert.rejects(hanging.callTool({ name: 'hang' }), /no answer in time/);
    await until(() => !runs(pid), 'a process that hangs is ended');
    const endless = await clientV1(t, stack, stack.keys[0]);
    await assert.rejects(endless.callTool({ name: 'endless' }), /more than 16 MiB/);
    const many = await clientV1(t, stack, stack.keys[0]);
    await assert.rejects(many.callTool({ name: 'values' }), /more than a million values/);
    const large = await clientV1(t, stack, stack.keys[1]);
    await said(large, 'grow').catch(() => undefined);
    await until(() => stack.told.some((line) => /used more memory than 150 MiB/.test(line)), 'too large');
    const flooding = await clientV1(t, stack, stack.keys[1]);
    assert.equal(await said(flooding, 'flood', { count: 2000 }), 'flooded');
  });

  it('has no more processes than it may: the one unused for longest makes room for its caller', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving], processes: { perCaller: 2, max: 3 } });
    const opened = async (key: string): Promise<number> => (await open(stack, key)).status;
    const [own, other] = stack.keys;
    assert.deepEqual([await opened(own), await opened(own), await opened(other)], [200, 200, 200]);
    const full = await open(stack, other);
    assert.deepEqual([full.status, full.headers.get('retry-after')], [503, '5']);
    assert.equal(await opened(own), 200);
  });

  it('takes nobody along with a message that is nested too deeply to be passed on', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving] });
    assert.equal(await said(await clientV1(t, stack, stack.keys[0]), 'deep'), 'still here');
    await until(() => stack.told.some((line) => /what is no message: .*\[\[\[/.test(line)), 'it is told');
  });

  it('may speak faster than its client reads, and nothing piles up for that', async (t) => {
    const warned: string[] = [];
    const onWarning = ({ name }: Error): void => void warned.push(name);
    process.on('warning', onWarning);
    t.after(() => process.off('warning', onWarning));
    const stack = await stdioStack(t, { args: [misbehaving] });
    const client = await clientV1(t, stack, stack.keys[0]);
    let last = -1;
    await client.callTool({ name: 'burst' }, undefined, { onprogress: ({ progress }) => void (last = progress) });
    assert.equal(last, 4999);
    assert.deepEqual(warned, []);
  });

  it('is ended when nobody uses it', slow, async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving], processes: { idle: '5s' } });
    const used = await open(stack, stack.keys[0]);
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'pid' } };
    const headers = { 'x-api-key': stack.keys[0], 'mcp-session-id': used.headers.get('mcp-session-id') ?? '' };
    const answer = await fetch(stack.url, { method: 'POST', headers, body: JSON.stringify(call) });
    const [, pid] = /"text":"([0-9]+)"/.exec(await answer.text()) ?? [];
    assert.ok(pid !== undefined);
    await until(() => !runs(pid), 'the process is gone');
  });

  it('leaves nothing behind when the gateway ends, whatever it started and whatever it ignores', async (t) => {
    const stack = await stdioStack(t, { args: [misbehaving] });
    const client = await clientV1(t, stack, stack.keys[0]);
    const pids = [await said(client, 'stubborn'), ...((await said(client, 'child')) as number[])];
    assert.ok(pids.every(runs));
    await stack.close();
    await until(() => !pids.some(runs), 'all are gone');
  });
});
