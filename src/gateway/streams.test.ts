import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import {
  collected,
  door,
  listening,
  rawExchange,
  testUpstream,
  type Door,
  type TestUpstream,
} from '../../test/fixtures/gateway-door.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';
import { until } from '../../test/fixtures/until.ts';

const headers = { authorization: 'Bearer good' };

describe('streams through the gateway', () => {
  let upstream: TestUpstream;
  let gate: Door;
  let onRequest: (req: IncomingMessage, res: ServerResponse) => void;

  beforeEach(async () => {
    upstream = await testUpstream((req, res) => onRequest(req, res));
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url }] });
  });
  afterEach(async () => {
    await gate.close();
    await upstream.close();
  });

  const open = async (path: string): Promise<IncomingMessage> => {
    const call = httpRequest({ port: gate.port, host: '127.0.0.1', path, headers });
    call.on('error', () => undefined).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    return response;
  };

  it('sends the head before a byte of the body exists, and each event as it comes', async () => {
    let stream: ServerResponse | undefined;
    onRequest = (_req, res) => {
      stream = res;
      res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    };
    const response = await open('/echo/events');
    assert.equal(response.headers['content-type'], 'text/event-stream');
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      stream?.write(event);
      assert.equal(String(((await once(response, 'data')) as [Buffer])[0]), event);
    }
    stream?.end();
    await once(response, 'end');
  });

  it('aborts the upstream call when the client goes away', async () => {
    const gone = Promise.withResolvers<void>();
    onRequest = (_req, res) => {
      res.writeHead(200).flushHeaders();
      res.on('close', () => gone.resolve());
    };
    (await open('/echo/events')).destroy();
    await gone.promise;
  });

  it('aborts the upstream call when the client goes away before the head', async () => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    onRequest = (_req, res) => {
      res.on('close', () => gone.resolve());
      arrived.resolve();
    };
    const call = httpRequest({ port: gate.port, host: '127.0.0.1', path: '/echo/slow', headers });
    call.on('error', () => undefined).end();
    await arrived.promise;
    call.destroy();
    await gone.promise;
  });

  it('does not blame the upstream when the client goes away within its body', async () => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    onRequest = (req, res) => {
      req.on('data', () => arrived.resolve()).on('error', () => undefined);
      res.on('close', () => gone.resolve());
    };
    const call = httpRequest({ port: gate.port, host: '127.0.0.1', path: '/echo/', method: 'POST', headers });
    call.on('error', () => undefined).write('half');
    await arrived.promise;
    call.destroy();
    await gone.promise;
    // A body that broke off is the client's fault, and is told as that.
    assert.deepEqual(
      gate.refused.map(({ denied }) => denied.reason),
      ['bad_request'],
    );
  });

  it('breaks off the answer when the upstream breaks off, and never ends it in peace', async () => {
    onRequest = (_req, res) => {
      res.writeHead(200);
      res.write('half', () => res.destroy());
    };
    const reply = await rawExchange(gate.port, 'GET /echo/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n');
    assert.match(reply, /half/);
    assert.ok(!reply.endsWith('0\r\n\r\n'));
  });

  it('reads an upload no faster than the upstream takes it', async () => {
    const paused = Promise.withResolvers<IncomingMessage>();
    onRequest = (req, res) => {
      req.pause();
      req.on('end', () => res.end('done'));
      paused.resolve(req);
    };
    const total = 64 * 1024 * 1024;
    const socket = connect(gate.port, '127.0.0.1');
    const reply = collected(socket);
    socket.write(
      `POST /echo/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\nConnection: close\r\nContent-Length: ${total}\r\n\r\n`,
    );
    const chunk = Buffer.alloc(1024 * 1024);
    let queued = 0;
    const feed = (): void => {
      while (queued < total) {
        queued += chunk.length;
        if (!socket.write(chunk)) break;
      }
    };
    socket.on('drain', feed);
    feed();
    const req = await paused.promise;
    await stalled(() => socket.bytesWritten - socket.writableLength);
    // What the kernel's buffers hold on both sides, and little more.
    assert.ok(queued < total / 2, `${queued} bytes were taken while the upstream read nothing`);
    req.resume();
    assert.match(await reply, /done/);
  });

  it('reads a download no faster than the client takes it', async () => {
    const total = 64 * 1024 * 1024;
    let queued = 0;
    onRequest = (_req, res) => {
      const chunk = Buffer.alloc(1024 * 1024);
      res.writeHead(200, { 'content-length': total });
      const feed = (): void => {
        while (queued < total) {
          queued += chunk.length;
          if (!res.write(chunk)) return;
        }
        res.end();
      };
      res.on('drain', feed);
      feed();
    };
    const response = await open('/echo/big');
    response.pause();
    await stalled(() => queued);
    assert.ok(queued < total / 2, `${queued} bytes were taken while the client read nothing`);
    let size = 0;
    response.on('data', (chunk: Buffer) => (size += chunk.length)).resume();
    await once(response, 'end');
    assert.equal(size, total);
  });

  it('closes an open stream when its credential dies', async () => {
    onRequest = (_req, res) => void res.writeHead(200).flushHeaders();
    const response = await open('/echo/events');
    const closedEarly = new Promise((resolve) => response.on('close', resolve));
    await until(() => gate.watched() === 1);
    gate.kill('good');
    await closedEarly;
    assert.equal(response.complete, false);
  });

  it('refuses a request whose credential dies before the head of the answer', async () => {
    onRequest = () => undefined;
    const pending = fetch(`http://127.0.0.1:${gate.port}/echo/slow`, { headers });
    await until(() => gate.watched() === 1);
    gate.kill('good');
    const response = await pending;
    assert.equal(response.status, 401);
    assert.equal(((await response.json()) as { reason: string }).reason, 'revoked');
  });

  it('leaves streams open in report mode', async () => {
    gate.mode = 'report';
    let stream: ServerResponse | undefined;
    onRequest = (_req, res) => {
      stream = res;
      res.writeHead(200).flushHeaders();
    };
    const response = await open('/echo/events');
    assert.equal(gate.watched(), 0);
    stream?.end('whole');
    assert.equal(String(((await once(response, 'data')) as [Buffer])[0]), 'whole');
  });

  it('holds what was opened before to what is enforced since', async () => {
    onRequest = (_req, res) => void res.writeHead(200).flushHeaders();
    const opened = async (path: string, own: Record<string, string>): Promise<Response> => {
      const answer = await fetch(`http://127.0.0.1:${gate.port}/echo${path}`, { headers: own });
      assert.equal(answer.status, 200);
      return answer;
    };
    gate.mode = 'off';
    const unjudged = await opened('/events', {});
    gate.mode = 'report';
    const stranger = await opened('/events', {});
    const caller = await opened('/events', headers);
    const everybody = await opened('/public/events', {});
    gate.mode = 'enforce';
    for (const answer of [unjudged, stranger]) await assert.rejects(answer.text());
    const ended = gate.refused.map(({ denied, decision }) => [denied.reason, decision?.outcome]);
    assert.deepEqual(ended.sort(), [
      ['missing_credentials', 'would_deny'],
      ['unavailable', 'allow'],
    ]);
    await until(() => gate.watched() === 1);
    gate.kill('good');
    await assert.rejects(caller.text());
    assert.equal(gate.refused.length, 2, 'that a credential ends is no refusal of a request that was allowed');
    await everybody.body?.cancel();
  });

  it('holds what was opened before to a ramp, and lets go of it when that goes back', async () => {
    onRequest = (_req, res) => void res.writeHead(200).flushHeaders();
    const opened = async (own: Record<string, string>): Promise<Response> => {
      const answer = await fetch(`http://127.0.0.1:${gate.port}/echo/events`, { headers: own });
      assert.equal(answer.status, 200);
      return answer;
    };
    gate.mode = 'report';
    const [stranger, exempt, caller] = [
      await opened({}),
      await opened({ authorization: 'Bearer x' }),
      await opened(headers),
    ];
    gate.enforcedFor = (verdict) => verdict?.allowed !== false || verdict.reason !== 'invalid_credentials';
    await assert.rejects(stranger.text());
    await until(() => gate.watched() === 1);
    gate.enforcedFor = null;
    await until(() => gate.watched() === 0);
    for (const answer of [exempt, caller]) await answer.body?.cancel();
  });

  it('holds what was opened before to a route that a new configuration enforces', async () => {
    onRequest = (_req, res) => void res.writeHead(200).flushHeaders();
    gate.mode = 'report';
    const stranger = await fetch(`http://127.0.0.1:${gate.port}/echo/events`);
    gate.reload([{ name: 'echo', upstream: upstream.url, rules: [ruleFor('/events', { mode: 'enforce' })] }]);
    await assert.rejects(stranger.text());
  });

  it('ends what was opened by a caller whom a new configuration no longer lets call, where that is enforced', async () => {
    onRequest = (_req, res) => void res.writeHead(200).flushHeaders();
    const opened = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${gate.port}/echo${path}`, { headers });
    const [narrowed, reported, named] = [await opened('/narrowed'), await opened('/reported'), await opened('/named')];
    const rules = [
      ruleFor('/narrowed', { callers: ['other'] }),
      ruleFor('/reported', { callers: ['other'], mode: 'report' }),
      ruleFor('/named', { callers: ['aidb'] }),
    ];
    gate.reload([{ name: 'echo', upstream: upstream.url, rules }]);
    await assert.rejects(narrowed.text());
    const ended = gate.refused.map(({ denied, path }) => [denied.reason, denied.caller, path]);
    assert.deepEqual(ended, [['not_allowed', { id: 'service:aidb', proven: true }, '/narrowed']]);
    await until(() => gate.watched() === 1);
    // Once it is enforced there too.
    gate.reload([{ name: 'echo', upstream: upstream.url, rules: rules.map((rule) => ({ ...rule, mode: null })) }]);
    await assert.rejects(reported.text());
    assert.equal(gate.refused.length, 2);
    await named.body?.cancel();
  });

  it('ends what was opened at a service that a new configuration does not have, whatever its mode was', async () => {
    onRequest = (_req, res) => void res.writeHead(200).flushHeaders();
    for (const mode of ['off', 'report', 'enforce'] as const) {
      gate.mode = mode;
      gate.reload([{ name: 'echo', upstream: upstream.url }]);
      const answer = await fetch(`http://127.0.0.1:${gate.port}/echo/events`, { headers });
      gate.reload([{ name: 'other', upstream: upstream.url }]);
      await assert.rejects(answer.text());
      const { denied, service } = gate.refused.pop() ?? {};
      assert.deepEqual([denied?.reason, service], ['no_such_service', 'echo']);
    }
  });

  it('lets go of what was opened under enforcement when that is taken back', async () => {
    let stream: ServerResponse | undefined;
    onRequest = (_req, res) => {
      stream = res;
      res.writeHead(200).flushHeaders();
    };
    const response = await open('/echo/events');
    await until(() => gate.watched() === 1);
    gate.mode = 'report';
    await until(() => gate.watched() === 0);
    stream?.end('whole');
    assert.equal(String(((await once(response, 'data')) as [Buffer])[0]), 'whole');
  });

  it('serves the next request on a connection whose upload the upstream cut short', async () => {
    onRequest = (req, res) => {
      if (req.url === '/next') res.end('next');
      else res.writeHead(413, { 'content-length': 4 }).end('much');
    };
    const socket = connect(gate.port, '127.0.0.1');
    const reply = collected(socket);
    socket.write('POST /echo/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\nContent-Length: 100000\r\n\r\nx');
    await once(socket, 'data');
    socket.write('x'.repeat(99_999));
    socket.write('GET /echo/next HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\nConnection: close\r\n\r\n');
    assert.match(await reply, /413[\s\S]*much[\s\S]*200[\s\S]*next/);
  });
});

describe('an upstream that misbehaves', () => {
  let server: Server;
  let gate: Door;
  let answers: (string | null)[];
  let heads: string[];

  beforeEach(async () => {
    answers = [];
    heads = [];
    server = createServer((socket: Socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        heads.push(chunk.toString('latin1'));
        const answer = answers.shift();
        if (answer === null) socket.destroy();
        else if (answer !== undefined) socket.write(Buffer.from(answer, 'latin1'));
      });
    });
    const port = await listening(server);
    gate = await door({
      services: [
        { name: 'echo', upstream: `http://127.0.0.1:${port}`, timeouts: { connectSeconds: 1, responseSeconds: 0.2 } },
        { name: 'away', upstream: 'http://127.0.0.1:1' },
      ],
    });
  });
  afterEach(async () => {
    await gate.close();
    await new Promise((resolve) => void server.close(resolve));
  });

  const call = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${gate.port}${path}`, { headers, ...init });

  it('is answered for with 502 when it cannot be reached, and the refusal is recorded', async () => {
    const response = await call('/away/x');
    assert.equal(response.status, 502);
    assert.deepEqual(await response.json(), {
      error: 'Upstream unreachable',
      reason: 'upstream_unreachable',
      authenticated: false,
    });
    assert.equal(gate.refused[0]?.denied.reason, 'upstream_unreachable');
    assert.equal(gate.refused[0]?.path, '/x');
    assert.equal(gate.refused[0]?.decision, gate.decisions[0], 'together with what had let it pass');
  });

  it('is answered for with 502 when it cannot be reached and a body was on its way', async () => {
    assert.equal((await call('/away/x', { method: 'POST', body: 'x'.repeat(300_000) })).status, 502);
  });

  it('is answered for with 504 when it sends no head in time', async () => {
    const response = await call('/echo/x');
    assert.equal(response.status, 504);
    assert.equal(((await response.json()) as { reason: string }).reason, 'upstream_timeout');
  });

  const bad: readonly (readonly [name: string, answer: string])[] = [
    ['no HTTP', 'hello\r\n\r\n'],
    ['an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
    [
      'Content-Length beside Transfer-Encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two Content-Length lines', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
    ['a header with a bare CR', 'HTTP/1.1 200 OK\r\nX-A: b\rc: d\r\nContent-Length: 0\r\n\r\n'],
    ['a head beyond all bounds', `HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(40_000)}\r\n\r\n`],
  ];
  for (const [name, answer] of bad) {
    it(`is answered for with 502 when it says: ${name}`, async () => {
      answers = [answer, answer];
      assert.equal((await call('/echo/x')).status, 502);
    });
  }

  it('may say how long the answer would be that a 304 stands for', async () => {
    answers = ['HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n'];
    const response = await call('/echo/x');
    assert.equal(response.status, 304);
    assert.equal(response.headers.get('etag'), '"a"');
  });

  it('may hint before it answers', async () => {
    answers = ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'];
    assert.equal(await (await call('/echo/x')).text(), 'ok');
  });

  it('may close an idle connection: what can be repeated is repeated once', async () => {
    const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    answers = [ok, null, ok];
    assert.equal(await (await call('/echo/1')).text(), 'ok');
    assert.equal(await (await call('/echo/2')).text(), 'ok');
    assert.equal(heads.length, 3);
  });

  it('is not asked twice for what may not be repeated', async () => {
    answers = [null, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'];
    assert.equal((await call('/echo/1', { method: 'POST', body: 'x' })).status, 502);
    assert.equal(heads.filter((head) => head.startsWith('POST')).length, 1);
  });

  it('cannot hand on what belongs to its connection, nor set our cookies', async () => {
    answers = [
      'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=99\r\nTrailer: X-T\r\nProxy-Authenticate: Basic\r\n' +
        'Set-Cookie: a=1\r\nSet-Cookie: countersign_session=stolen; Path=/\r\nSet-Cookie: countersign_openid=another; Path=/\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok',
    ];
    const response = await call('/echo/x');
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
    for (const name of ['x-hop', 'trailer', 'proxy-authenticate']) assert.equal(response.headers.get(name), null);
    assert.notEqual(response.headers.get('keep-alive'), 'timeout=99');
  });

  it('may end its trailers where it likes', async () => {
    answers = ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n'];
    const reply = await rawExchange(
      gate.port,
      'GET /echo/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer good\r\n\r\n',
    );
    assert.match(reply, /\r\n2\r\nok\r\n0\r\n\r\n$/);
  });
});

describe('WebSockets through the gateway', () => {
  let sockets: WebSocketServer;
  let gate: Door;
  let handshakes: IncomingMessage[];

  beforeEach(async () => {
    handshakes = [];
    sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    sockets.on('connection', (socket, req) => {
      handshakes.push(req);
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    await once(sockets, 'listening');
    const { port } = sockets.address() as { port: number };
    gate = await door({
      services: [
        { name: 'echo', upstream: `http://127.0.0.1:${port}` },
        { name: 'away', upstream: 'http://127.0.0.1:1' },
      ],
    });
  });
  afterEach(async () => {
    await gate.close();
    for (const socket of sockets.clients) socket.terminate();
    await new Promise((resolve) => void sockets.close(resolve));
  });

  const dial = (path: string, given: Record<string, string> = headers): WebSocket => {
    const socket = new WebSocket(`ws://127.0.0.1:${gate.port}${path}`, { headers: given });
    socket.on('error', () => undefined);
    return socket;
  };

  it('tunnels both ways and stamps the identity at the handshake', async () => {
    const socket = dial('/echo/ws?a=1', { ...headers, 'X-Auth-Principal': 'operator:forged' });
    await once(socket, 'open');
    const big = Buffer.alloc(3_000_000, 7);
    socket.send(big);
    assert.deepEqual(((await once(socket, 'message')) as [Buffer])[0], big);
    assert.equal(handshakes[0]?.url, '/ws?a=1');
    assert.equal(handshakes[0]?.headers['x-auth-principal'], 'service:aidb');
    assert.equal(handshakes[0]?.headers.authorization, undefined);
    const [[service, micros] = assert.fail('a service of WebSockets alone answers, too')] = gate.answers;
    assert.ok(service === 'echo' && micros > 0);
    socket.close(1000, 'bye');
    const [code] = (await once(socket, 'close')) as [number];
    assert.equal(code, 1000);
  });

  it('refuses at the handshake as everywhere else', async () => {
    const socket = dial('/echo/ws', {});
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    assert.equal(response.statusCode, 401);
    assert.equal(response.headers['www-authenticate'], 'Bearer realm="countersign"');
    assert.equal(handshakes.length, 0);
    response.destroy();
  });

  it('answers 502 when the upstream is away', async () => {
    const [, response] = (await once(dial('/away/ws'), 'unexpected-response')) as [unknown, IncomingMessage];
    assert.equal(response.statusCode, 502);
    assert.equal(gate.refused[0]?.decision, gate.decisions[0]);
    response.destroy();
  });

  it('closes the tunnel when the credential dies', async () => {
    const socket = dial('/echo/ws');
    await once(socket, 'open');
    await until(() => gate.watched() === 1);
    const end = once(socket, 'close');
    gate.kill('good');
    await end;
    await until(() => sockets.clients.size === 0);
  });

  it('closes a tunnel that a stranger opened in report mode once the route enforces', async () => {
    gate.mode = 'report';
    const socket = dial('/echo/ws', {});
    await once(socket, 'open');
    const end = once(socket, 'close');
    gate.mode = 'enforce';
    await end;
    await until(() => sockets.clients.size === 0);
  });

  it('ends the client when the upstream ends, and the upstream when the client ends', async () => {
    const first = dial('/echo/ws');
    await once(first, 'open');
    const end = once(first, 'close');
    for (const socket of sockets.clients) socket.terminate();
    await end;
    const second = dial('/echo/ws');
    await once(second, 'open');
    second.terminate();
    await until(() => sockets.clients.size === 0);
    await until(() => gate.watched() === 0);
  });
});

/** Resolves once a figure has stopped growing. */
async function stalled(figure: () => number): Promise<void> {
  let last = -1;
  for (let quiet = 0; quiet < 10; quiet += 1) {
    if (figure() !== last) quiet = 0;
    last = figure();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
