import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { authorityOf, nodeRequest, refusedRequest, type NodeRequest } from '../adapters/node/request.ts';
import type { Stack } from '../compose/stack.ts';
import { discoveryAnswer, isDiscovery } from '../compose/oauth-discovery.ts';
import { LOOPBACK_NAMES } from '../core/address.ts';
import { parseTarget } from '../core/target.ts';
import { deny, type Denied } from '../core/verdict.ts';
import { answer } from './answer.ts';
import { OpenList } from './open-list.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeContext } from './exchange-options.ts';
import { heldBodies, heldBytesMax } from './held-bodies.ts';
import { awaitsContinue, requestFault } from '../adapters/node/request-shape.ts';
import { answerProbe, probeOf } from './probe.ts';
import { hostName, topology } from './topology.ts';
import { stdioServices } from '../stdio/stdio-services.ts';
import { pipesTo } from './stdio.ts';
import { keyOf, upstreams } from './upstream/upstreams.ts';

/** The reverse proxy in front of the services. It creates no servers: whoever does hands the requests in. */
export interface Gateway {
  /** `service`: the request came in on that service's own port, whose whole path space is the service's. */
  handle(req: IncomingMessage, res: ServerResponse, service?: string): void;
  /** The 'upgrade' event of a frontServer, which makes one of WebSockets only. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, service?: string): void;
  /** Ends what is under way: streams and tunnels are cut off, and who has no answer yet is told to come again. */
  cutOff(): void;
  /** The same, and lets go of the upstreams. */
  close(): Promise<void>;
}

/** How often streams are looked at; an exchange that lives through one sweep is watched from then on. */
const sweepMillis = 250;

/** `placesPerUpstream`: requests under way to one upstream at the same time, 4096 unless said. */
export function createGateway(stack: Stack, placesPerUpstream?: number): Gateway {
  const context: ExchangeContext = { stack, open: new OpenList() };
  // Apart from those that are judged: what is held there is on its way here as well.
  const messages = heldBodies(() => heldBytesMax(stack.config));
  const processes = stdioServices(
    (req, res, limit, caller) => messages.hold(req, res, limit, { caller }),
    (text) => stack.warn(text),
  );
  const connections = upstreams(placesPerUpstream, {
    pipeTo: pipesTo(stack, processes),
    secure: (service) => stack.upstreamTls(service),
  });
  const bodies = heldBodies(() => heldBytesMax(stack.config));
  let places = topology(stack.config);

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const exchange of context.open.all()) exchange.sweep(now);
    connections.sweep(now);
  }, sweepMillis);
  sweep.unref();

  function refuse(req: IncomingMessage, res: ServerResponse, denied: Denied, service: string): void {
    stack.audit.refused(denied, refusedRequest(req, service, stack.config.trustedProxies));
    answer(req, res, stack.guard.refusal(denied, service), stack.devMode);
  }

  function serve(req: IncomingMessage, res: ServerResponse, upgrade: Duplex | null, own: string | undefined): void {
    const fault = requestFault(req) ?? hostFault(req, stack.devMode);
    if (fault !== null) return refuse(req, res, deny('bad_request', fault), own ?? '');
    const probe = probeOf(req);
    if (probe !== null && 'fault' in probe) return refuse(req, res, deny('bad_request', probe.fault), own ?? '');
    const target = parseTarget(req.url ?? '');
    if (!target.ok) return refuse(req, res, deny('bad_request', target.note), own ?? '');
    if (places.config !== stack.config) {
      places = topology(stack.config);
      connections.keepOnly(stack.config);
      processes.keepOnly(new Set(stack.config.services.map(keyOf)));
    }
    const place =
      own === undefined
        ? places.locate(authorityOf(req, stack.config.trustedProxies), target.path)
        : { service: places.service(own), path: target.path, bare: false };
    if (place === null || place.service === null)
      return refuse(req, res, deny('no_such_service', 'neither the host nor the path means a service'), own ?? '');
    const { service } = place;
    if (service.oauth !== null && isDiscovery(place.path)) {
      const asked = { method: req.method ?? '', path: place.path };
      return answer(req, res, discoveryAnswer(asked, service, stack.config), stack.devMode);
    }
    const requestOf = (requestId?: string): NodeRequest =>
      nodeRequest({
        req,
        service: service.name,
        path: place.path,
        trustedProxies: stack.config.trustedProxies,
        bodyLimit: service.maxSignedBody,
        seesCertificates: true,
        requestId,
        hold: (body, limit, onPiece, caller) => bodies.hold(body, res, limit, { onPiece, caller }),
        onBody: awaitsContinue(req) ? () => res.writeContinue() : undefined,
      });
    if (probe !== null) return void answerProbe(stack, req, res, probe, requestOf);
    const request = requestOf();
    const upstream = connections.of(service);
    const upstreamTarget = (place.bare ? upstream.barePath : upstream.basePath + place.path) + target.query;
    new Exchange({ context, req, res, request, service, upstream, target: upstreamTarget, upgrade }).run();
  }

  function cutOff(): void {
    for (const exchange of context.open.all()) exchange.destroy();
  }

  return {
    handle: (req, res, service) => serve(req, res, null, service),
    upgrade(req, socket, head, service) {
      // Until a tunnel stands the answer may be plain HTTP, so the socket gets a response like any other.
      const res = new ServerResponse(req);
      res.shouldKeepAlive = false;
      socket.on('error', () => socket.destroy());
      socket.on('drain', () => res.emit('drain'));
      res.assignSocket(req.socket);
      res.on('finish', () => socket.end(() => socket.destroy()));
      req.socket.setTimeout(0);
      req.socket.setNoDelay(true);
      if (head.length > 0) socket.unshift(head);
      serve(req, res, socket, service);
    },
    cutOff,
    async close() {
      clearInterval(sweep);
      cutOff();
      connections.close();
      await processes.close();
    },
  };
}

/**
 * Dev mode lets everybody in, so a page of another origin must reach it neither through a name of its own (DNS rebinding) nor
 * by calling this machine from the reader's browser.
 */
function hostFault(req: IncomingMessage, devMode: boolean): string | null {
  if (!devMode) return null;
  if (!LOOPBACK_NAMES.has(hostName(req.headers.host?.toLowerCase() ?? '')))
    return 'in dev mode the Host must be localhost, 127.0.0.1 or [::1]';
  const { origin } = req.headers;
  if ((origin === undefined || isOfLoopback(origin)) && !isFetchedElsewhere(req)) return null;
  return 'in dev mode a page may call only from localhost, 127.0.0.1 or [::1]';
}

/** An origin, or the address of a page. */
function isOfLoopback(address: string): boolean {
  return LOOPBACK_NAMES.has(hostName(address.toLowerCase().replace(/^https?:\/\/([^/]*).*$/, '$1')));
}

/**
 * Of a picture or a script that a page asks for browsers say no Origin, only that it is another site's (Fetch Metadata), and from
 * where, unless the page keeps that to itself. Where a link leads its reader sees.
 */
function isFetchedElsewhere({ headers, method }: IncomingMessage): boolean {
  if (headers['sec-fetch-site'] !== 'cross-site' || isOfLoopback(headers.referer ?? '')) return false;
  return method !== 'GET' || headers['sec-fetch-mode'] !== 'navigate' || headers['sec-fetch-dest'] !== 'document';
}
