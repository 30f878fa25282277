import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cliHere } from '../../../test/fixtures/cli-here.ts';
import { until } from '../../../test/fixtures/until.ts';
import { startProgram, startUpstream, type CliResult, type Program, type Upstream } from '../../../test/e2e/program.ts';

const text = '{"input":"hello"}';
const endings: (() => unknown)[] = [];
let program: Program;
let url: string;
let upstream: Upstream;

before(async () => {
  const t = { after: (end: () => unknown) => void endings.push(end) };
  upstream = await startUpstream(t);
  program = await startProgram(t, {
    yaml: `mode: enforce
callers: [aidb, web]
services:
  embeddings: { upstream: ${upstream.url} }
  free: { upstream: ${upstream.url}, mode: report, routes: [{ path: /open, access: public }, { path: /web, callers: [web] }] }
  blind: { upstream: ${upstream.url}, mode: off }
  once: { upstream: ${upstream.url}, signature: { replay: all } }
`,
    files: { 'body.json': text, 'other.json': '{}', 'other.key': 'another key of at least some length\n' },
  });
  url = `${program.origin}/embeddings/embed?a=1`;
  for (const kind of ['hs', 'ed25519']) {
    const made = await cli(['keys', 'create', 'aidb', '--kind', kind]);
    writeFileSync(join(program.folder, `${kind}.key`), made.stdout, { mode: 0o600 });
  }
});
after(async () => {
  for (const end of endings.toReversed()) await end();
});

const cli = (args: readonly string[], stdin = ''): Promise<CliResult> =>
  cliHere([...args, '--config', join(program.folder, 'countersign.yaml')], { cwd: program.folder, stdin });
const file = (name: string): string => join(program.folder, name);
const http = (...args: string[]): Promise<CliResult> =>
  cli(['sign', '--scheme', 'http-signature', '--service', 'aidb', ...args]);
const keyed = (kind: string): string[] => ['--key-file', file(`${kind}.key`)];

test('what whoever was called answers is shown, and a terminal obeys none of it', async (t) => {
  const server = createServer((_req, res) => res.end('one\u001b[2J\u009b31m\ntwo')).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { stdout } = await http('--send', ...keyed('hs'), 'GET', `http://127.0.0.1:${port}/a`);
  assert.equal(stdout, '200  one\ufffd[2J\ufffd31m\ntwo\n');
});

for (const kind of ['hs', 'ed25519']) {
  test(`sign --send is let in with an HTTP signature of a key of kind ${kind}, with a body and without`, async () => {
    const body = ['--body-file', file('body.json')];
    for (const more of [[], body]) {
      let sent = await http('--send', ...keyed(kind), ...more, 'POST', url);
      // The server hears of the new key in a moment.
      while (sent.stdout.startsWith('401') && sent.stdout.includes('unknown_service'))
        sent = await http('--send', ...keyed(kind), ...more, 'POST', url);
      assert.equal(sent.code, 0, sent.stdout);
    }
  });

  test(`the headers that sign prints are accepted once from any client: ${kind}`, async () => {
    const { stdout, code } = await http(...keyed(kind), '--body-file', file('body.json'), 'post', url);
    assert.equal(code, 0);
    const headers = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(': ', 2) as [string, string]);
    assert.deepEqual(
      headers.map(([name]) => name),
      ['Content-Digest', 'Signature-Input', 'Signature'],
    );
    const ask = async () => (await fetch(url, { method: 'POST', body: text, headers })).status;
    assert.equal(await ask(), 200);
    assert.equal(await ask(), 401);
  });
}

test('--explain shows the exact signature base, and no key', async () => {
  const args = ['--explain', '--timestamp', '1759744800', '--body-file', file('body.json'), 'post', url];
  const { stdout } = await http(...keyed('hs'), ...args);
  assert.match(
    stdout,
    /^ {2}"@method": POST\n {2}"@authority": 127\.0\.0\.1:\d+\n {2}"@path": \/embeddings\/embed\n {2}"@query": \?a=1\n {2}"content-digest": sha-256=:\S+:\n {2}"@signature-params": \("@method" "@authority" "@path" "@query" "content-digest"\);created=1759744800;nonce="\w{22}";keyid="aidb";tag="countersign"$/m,
  );
  const asJson = await http(...keyed('hs'), ...args, '--output', 'json');
  const { signature_base: base, headers } = JSON.parse(asJson.stdout) as {
    signature_base: string;
    headers: Record<string, string>;
  };
  assert.ok(base.endsWith((headers['Signature-Input'] ?? '').replace('countersign=', '')));
  assert.ok(!stdout.includes('cs_hs_'));
});

test('a refusal names the first difference: another key, a clock', async () => {
  const other = await http('--send', '--key-file', file('other.key'), 'POST', url);
  assert.equal(other.code, 1);
  assert.match(other.stdout, /401 {2}.*Invalid signature[^]*First difference: .*another key/);
  const stale = await http('--send', ...keyed('hs'), '--timestamp', '1759744800', 'POST', url);
  assert.match(stale.stdout, /Timestamp outside allowed window[^]*compare the clocks/);
});

for (const scheme of ['http-signature', 'service-signature']) {
  const send = (name: string, path: string): Promise<CliResult> =>
    cli([
      'sign',
      '--scheme',
      scheme,
      '--service',
      'aidb',
      '--key-file',
      file(name),
      '--send',
      'POST',
      program.origin + path,
    ]);

  test(`where the mode is report, a wrong ${scheme} is told of and not passed on`, async () => {
    await until(async () => (await send('hs.key', '/free/embed')).code === 0);
    const seen = upstream.requests.length;
    const wrong = await send('other.key', '/free/embed');
    assert.equal(wrong.code, 1, wrong.stdout);
    assert.match(wrong.stdout, /^would_deny {2}.*mode report.*\nFirst difference: .*another key/);
    const notAllowed = await send('hs.key', '/free/web');
    assert.equal(notAllowed.code, 1);
    assert.match(notAllowed.stdout, /^would_deny {2}[^]*The signature is right; a rule of the route/);
    assert.equal(upstream.requests.length, seen);
    const right = await send('hs.key', '/free/embed');
    assert.deepEqual([right.code, right.stderr], [0, '']);
    assert.match(right.stdout, /^200 {2}/);
    assert.equal(upstream.requests.length, seen + 1);
  });

  test(`where nobody looks at a ${scheme}, that is said`, async () => {
    for (const [path, says] of [
      ['/free/open', /^The route is public: .*nothing about the signature\.$/m],
      ['/blind/embed', /^The mode is off: .*nothing about the signature\.$/m],
    ] as const) {
      const { code, stdout, stderr } = await send('other.key', path);
      assert.match(stdout, /^200 {2}/);
      assert.match(stderr, says);
      assert.equal(code, 0);
    }
    const plain = await cli([
      'sign',
      '--scheme',
      scheme,
      '--service',
      'aidb',
      '--key-file',
      file('hs.key'),
      '--send',
      'POST',
      `${upstream.url}/embed`,
    ]);
    assert.match(plain.stderr, /does not say whether .* nothing about the signature\.$/m);
    assert.equal(plain.code, 0);
  });

  test(`being asked first costs a ${scheme} nothing where each is good once`, async () => {
    const seen = upstream.requests.length;
    const { code, stdout } = await send('hs.key', '/once/embed');
    assert.equal(code, 0, stdout);
    assert.equal(upstream.requests.length, seen + 1);
  });
}

test('where forward auth judges, which answers no question, the request is sent as it is', async (t) => {
  const asked: (string | undefined)[] = [];
  const front = createServer((request, response) => {
    asked.push(request.headers['x-countersign-probe'] === undefined ? 'sent' : 'marked');
    response.statusCode = asked.at(-1) === 'marked' ? 403 : 200;
    response.end('{}');
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => front.close());
  const { port } = front.address() as AddressInfo;
  const { code } = await http('--send', ...keyed('hs'), 'POST', `http://127.0.0.1:${port}/embeddings/embed`);
  assert.deepEqual([code, asked], [0, ['marked', 'sent']]);
});

test('--received says why a captured request was refused, its body included', async () => {
  const { stdout } = await http(...keyed('hs'), '--body-file', file('body.json'), 'POST', url);
  const host = new URL(url).host;
  const head = (target: string, size: number, lines = stdout.trim()): string =>
    `POST ${target} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${size}\r\n${lines.replaceAll('\n', '\r\n')}\r\n\r\n`;
  async function received(capture: string, ...more: string[]): Promise<CliResult> {
    writeFileSync(file('captured'), capture);
    return cli(['sign', '--received', file('captured'), ...more]);
  }
  const target = '/embeddings/embed?a=1';
  // What an editor adds below the body is not part of it.
  const right = await received(`${head(target, text.length)}${text}\n`);
  assert.equal(right.code, 0, right.stdout);
  assert.match(right.stdout, /^The signature is right for this request\.$/m);
  assert.match((await received(head(target, text.length))).stdout, /its body was not captured/);
  for (const [capture, says] of [
    [`${head(target, 2)}{}`, /the body is not the one that was signed/],
    [`${head('/embed?a=1', text.length)}${text}`, /once more/],
    [`${head('/embeddings/embed', text.length)}${text}`, /another key/],
    [head(target, 0, 'Accept: */*'), /no X-Service-ID/],
  ] as const) {
    const { code, stdout: told } = await received(capture);
    assert.equal(code, 1, told);
    assert.match(told, says);
  }
  const asked = await received(head(target, 2), '--body-file', file('other.json'), ...keyed('hs'));
  assert.match(asked.stdout, /First difference: the body is not/);
  const foreign = await received(head(target, 0, 'Accept: */*'), '--scheme', 'http-signature');
  assert.match(foreign.stdout, /carries no Signature-Input/);
});

test('what is missing is said with what to do', async () => {
  for (const [args, code, says] of [
    [['--scheme', 'hmac', 'GET', url], 2, /--scheme is service-signature or http-signature/],
    [['--body-file', 'x', 'GET', '/x'], 2, /--body-file is for --scheme http-signature/],
    [['--scheme', 'http-signature', '--service', 'aidb', 'GET', '/embeddings/x'], 2, /give the whole URL/],
    [['--scheme', 'http-signature', 'GET', url, ...keyed('hs')], 2, /--keyid or --service is needed/],
    [
      ['--scheme', 'http-signature', '--service', 'a', '--body-file', file('body.json'), '--send', 'GET', url],
      2,
      /is sent without a body/,
    ],
    [
      ['--scheme', 'http-signature', '--service', 'a', '--body-file', '/nowhere', 'GET', url],
      1,
      /the body cannot be read from \/nowhere/,
    ],
  ] as const) {
    const ended = await cli(['sign', ...args]);
    assert.match(ended.stderr, says);
    assert.equal(ended.code, code, ended.stderr);
  }
});
