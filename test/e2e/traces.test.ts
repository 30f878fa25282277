/** Two gateways in a row, and a receiver of OTLP over HTTP: what one caller's request leaves behind is one trace. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Ending } from '../fixtures/databases.ts';
import { startProgram, startUpstream, type Program, type Upstream } from './program.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly { key: string; value: { stringValue?: string; intValue?: number } }[];
}

const endings: (() => Promise<void> | void)[] = [];
const t: Ending = { after: (work) => void endings.push(work as () => Promise<void>) };
const spans: Span[] = [];
let echo: Upstream;
let first: Program;
let second: Program;
let silent: Program;

const yaml = (upstream: string) => `mode: report\nservices:\n  embeddings:\n    upstream: ${upstream}\n`;

before(async () => {
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      assert.equal(request.url, '/v1/traces');
      assert.equal(request.headers['content-type'], 'application/json');
      const { resourceSpans } = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  t.after(async () => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '50' };
  echo = await startUpstream(t);
  second = await startProgram(t, { yaml: yaml(echo.url), env });
  first = await startProgram(t, { yaml: yaml(`${second.origin}/embeddings`), env });
  silent = await startProgram(t, { yaml: yaml(echo.url) });
});
after(async () => {
  for (const end of endings.toReversed()) await end();
});

const trace = (number: number) => String(number).padStart(32, 'a');
const parent = '00f067aa0ba902b7';

/** What reaches the service at the end. */
async function through(program: Program, headers: Record<string, string>) {
  const answer = await fetch(`${program.origin}/embeddings/x`, { headers });
  await answer.arrayBuffer();
  assert.equal(answer.status, 200);
  const { traceparent, tracestate } = echo.requests.at(-1)?.headers ?? {};
  return { traceparent: String(traceparent ?? ''), tracestate };
}

async function spansOf(traceId: string, count: number): Promise<Span[]> {
  const found = () => spans.filter((span) => span.traceId === traceId);
  for (let tries = 0; tries < 200 && found().length < count; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 25));
  return found();
}

const attribute = (span: Span, name: string) => span.attributes.find(({ key }) => key === name)?.value;

test('each decision and each call is a span of the caller’s trace, each the child of the one before', async () => {
  const reached = await through(first, { traceparent: `00-${trace(1)}-${parent}-01`, tracestate: 'vendor=1,other=2' });
  const found = await spansOf(trace(1), 4);
  assert.equal(found.length, 4);
  const line: Span[] = [];
  for (let id: string | undefined = parent; id !== undefined; id = line.at(-1)?.spanId) {
    const child = found.find(({ parentSpanId }) => parentSpanId === id);
    if (!child) break;
    line.push(child);
  }
  assert.deepEqual(
    line.map(({ name, kind }) => [name, kind]),
    [
      ['countersign.decide', 1],
      ['GET', 3],
      ['countersign.decide', 1],
      ['GET', 3],
    ],
  );
  const [decided, called] = line as [Span, Span];
  assert.equal(attribute(decided, 'countersign.outcome')?.stringValue, 'would_deny');
  assert.equal(attribute(decided, 'countersign.reason')?.stringValue, 'missing_credentials');
  assert.equal(attribute(called, 'http.response.status_code')?.intValue, 200);
  assert.deepEqual(reached, {
    traceparent: `00-${trace(1)}-${line.at(-1)?.spanId}-01`,
    tracestate: 'vendor=1,other=2',
  });
});

test('a trace that is not sampled stays so: it is passed on and leaves no span', async () => {
  const { traceparent } = await through(first, { traceparent: `00-${trace(2)}-${parent}-00` });
  assert.match(traceparent, new RegExp(`^00-${trace(2)}-(?!${parent})[0-9a-f]{16}-00$`));
  await through(first, { traceparent: `00-${trace(3)}-${parent}-01` });
  assert.equal((await spansOf(trace(3), 4)).length, 4);
  assert.deepEqual(await spansOf(trace(2), 0), []);
});

test('a malformed traceparent is ignored, its tracestate with it, and a new trace begins', async () => {
  for (const malformed of [`00-${trace(4)}-${'0'.repeat(16)}-01`, `ff-${trace(4)}-${parent}-01`, 'nonsense']) {
    const reached = await through(first, { traceparent: malformed, tracestate: 'vendor=1' });
    assert.match(reached.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.ok(!reached.traceparent.includes(trace(4)));
    assert.equal(reached.tracestate, undefined);
  }
});

test('of two traceparent lines neither is believed', async () => {
  const lines = [`00-${trace(7)}-${parent}-01`, `00-${trace(8)}-${parent}-01`];
  const request = get(`${first.origin}/embeddings/x`, { headers: { traceparent: lines } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  assert.match(String(echo.requests.at(-1)?.headers['traceparent']), /^00-(?!a+[78]-)[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test('the log line has the id of the trace, with tracing and without', async () => {
  await through(first, { traceparent: `00-${trace(5)}-${parent}-01` });
  const untouched = { traceparent: `00-${trace(6)}-${parent}-01`, tracestate: 'vendor=1' };
  assert.deepEqual(await through(silent, untouched), untouched);
  await through(silent, { traceparent: 'nonsense' });
  const linesOf = async (program: Program, count: number) => {
    const lines = () => program.stdout().trim().split('\n');
    for (let tries = 0; tries < 200 && lines().length < count; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    return lines().map((line) => JSON.parse(line) as { trace_id?: string });
  };
  assert.ok((await linesOf(first, 8)).some(({ trace_id }) => trace_id === trace(5)));
  assert.deepEqual(
    (await linesOf(silent, 2)).map(({ trace_id }) => trace_id),
    [trace(6), undefined],
  );
});
