import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as TcpServer, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer, type TlsOptions } from 'node:tls';
import { authorityOf } from '../../adapters/node/request.ts';
import type { Authority } from '../../authority/authority.ts';
import type { ListenAddress, StackConfig } from '../../compose/config.ts';
import type { Stack } from '../../compose/stack.ts';
import { refusalOf } from '../../core/refusal.ts';
import { parseTarget } from '../../core/target.ts';
import { deny } from '../../core/verdict.ts';
import { responseOn } from '../../adapters/node/response-on.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { frontServer } from '../../gateway/server.ts';
import { hostName } from '../../gateway/topology.ts';
import { codeOf, refused } from '../failure.ts';
import { doorTls } from './door-tls.ts';

/** Everything that listens: the gateway with the authority, the admin side, and the services' own ports. */
export interface Doors {
  /** What stands open, for people. */
  readonly open: readonly Door[];
  /**
   * Accepts no connection more and resolves when all is answered, or after `drainMillis`, shortly before which whoever has no answer
   * yet is told to come again. Connections on which nothing is under way are served for `graceMillis` more: a request may be on its way.
   */
  close(drainMillis: number, graceMillis: number): Promise<void>;
}

export interface Door {
  readonly name: 'gateway' | 'admin' | 'service';
  /** The service whose own port it is; '' otherwise. */
  readonly service: string;
  /** http://127.0.0.1:8700 */
  readonly url: string;
}

/** Opens every door or none. Rejects with a Failure that names the address that cannot be had. */
export async function openDoors(stack: Stack, gateway: Gateway, authority: Authority): Promise<Doors> {
  const { config } = stack;
  const servers: Server[] = [];
  // Those of tunnels too, which node:http has let go of and would not end.
  const sockets = new Set<Socket>();
  const secured = doorTls(config, (text) => stack.warn(text));
  const open: Door[] = [];
  let draining = false;

  async function add(door: Omit<Door, 'url'>, address: ListenAddress, key: string, server: Server): Promise<void> {
    servers.push(server);
    const opened = (socket: Socket): void => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    };
    server.on('connection', opened);
    // Of TLS what node:http answers on is another socket than the one that was accepted.
    if (server instanceof TlsServer) server.on('secureConnection', opened);
    server.prependListener('request', (_req, res) => {
      if (draining) res.shouldKeepAlive = false;
    });
    open.push({ ...door, url: await listen(server, address, key) });
    secured.follow(door.name === 'admin' ? 'admin' : 'main', server);
  }

  try {
    await add(
      { name: 'gateway', service: '' },
      config.listen,
      'listen',
      mainServer(stack, gateway, authority, secured.main),
    );
    await add(
      { name: 'admin', service: '' },
      config.adminListen,
      'adminListen',
      adminServer(stack, authority, secured.admin),
    );
    for (const { name, listen: own } of config.services) {
      if (own)
        await add(
          { name: 'service', service: name },
          own,
          `listen of ${name}`,
          serviceServer(stack, gateway, name, secured.main),
        );
    }
  } catch (error) {
    for (const server of servers) server.close();
    secured.close();
    throw error;
  }
  return {
    open,
    close(drainMillis, graceMillis) {
      draining = true;
      authority.drain();
      secured.close();
      return closeAll({ servers, sockets, cutOff: () => gateway.cutOff() }, drainMillis, graceMillis);
    },
  };
}

/**
 * A trusted proxy's question first, since it may carry the host of the service that it is about; then hosts of services,
 * for there reserved paths do not apply; then admin hosts, where no service is to be had: the dashboard's origin is never a
 * service's origin; then reserved paths; then services.
 */
function mainServer(stack: Stack, gateway: Gateway, authority: Authority, tls: TlsOptions | null): Server {
  let hosts = serviceHosts(stack.config);

  function belongs(req: IncomingMessage): 'gateway' | 'authority' {
    if (authority.asksForVerdict(req)) return 'authority';
    if (hosts.config !== stack.config) hosts = serviceHosts(stack.config);
    const host = authorityOf(req, stack.config.trustedProxies);
    if (hosts.services.size > 0 && (hosts.services.has(host) || hosts.services.has(hostName(host)))) return 'gateway';
    if (hosts.admin.size > 0 && (hosts.admin.has(host) || hosts.admin.has(hostName(host)))) return 'authority';
    const target = parseTarget(req.url ?? '');
    // What cannot be read is refused by the gateway, which says why.
    return target.ok && authority.isReserved(target.path) ? 'authority' : 'gateway';
  }

  function handle(req: IncomingMessage, res: ServerResponse): void {
    if (belongs(req) === 'gateway') return gateway.handle(req, res);
    authority.handle(req, res);
  }

  function upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (belongs(req) === 'gateway') gateway.upgrade(req, socket, head);
    else authority.upgrade(req, socket);
  }

  return frontServer(handle, upgrade, { refused: stack.audit.refused, tls });
}

function serviceHosts(config: StackConfig): { config: StackConfig; services: Set<string>; admin: Set<string> } {
  return {
    config,
    services: new Set(config.services.flatMap(({ hosts }) => hosts)),
    admin: new Set(config.adminHosts),
  };
}

function adminServer(stack: Stack, authority: Authority, tls: TlsOptions | null): Server {
  return frontServer(
    (req, res) => authority.handleAdmin(req, res),
    (_req, socket) => refuseUpgrade(socket),
    { refused: stack.audit.refused, tls },
  );
}

function serviceServer({ audit }: Stack, gateway: Gateway, service: string, tls: TlsOptions | null): Server {
  return frontServer(
    (req, res) => gateway.handle(req, res, service),
    (req, socket, head) => gateway.upgrade(req, socket, head, service),
    { refused: (denied, request) => audit.refused(denied, { ...request, service }), tls },
  );
}

/** The authority speaks plain HTTP only. */
function refuseUpgrade(socket: Duplex): void {
  const { headers, body } = refusalOf(deny('bad_request', 'no upgrade here'), []);
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\n${fields.join('')}\r\n${body}`, () => socket.destroy());
}

async function listen(server: Server, { host, port }: ListenAddress, key: string): Promise<string> {
  server.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port });
  try {
    await once(server, 'listening');
  } catch (error) {
    const code = codeOf(error) ?? 'unknown';
    const words: Readonly<Record<string, string>> = {
      EADDRINUSE: 'the port is in use by another process',
      EACCES: 'this user may not use that port',
      EADDRNOTAVAIL: 'this machine has no such address',
    };
    throw refused(
      `cannot listen on ${host}:${port} (${key}): ${words[code] ?? code}`,
      code === 'EADDRINUSE'
        ? `Stop what uses it, or change \`${key}\` in the configuration.`
        : `Change \`${key}\` in the configuration.`,
    );
  }
  const bound = server.address() as AddressInfo;
  return `${server instanceof TlsServer ? 'https' : 'http'}://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

const idleSweepMillis = 50;
/** For answers to those who get no other, and streams that end in order. */
const lastWordsMillis = 250;

interface Closing {
  readonly servers: readonly Server[];
  readonly sockets: ReadonlySet<Socket>;
  /** Ends what is under way. */
  readonly cutOff: () => void;
}

async function closeAll(
  { servers, sockets, cutOff }: Closing,
  drainMillis: number,
  graceMillis: number,
): Promise<void> {
  const began = performance.now();
  // Whoever is answered now could take the connection for one that stays, and send the next request into its end.
  for (const socket of sockets) {
    const answer = responseOn(socket);
    if (answer?.headersSent === false) answer.shouldKeepAlive = false;
  }
  // Not node:http's own close, which ends idle connections on the spot, whatever is on its way to us on them.
  const closed = Promise.all(
    servers.map(
      (server) => new Promise<void>((resolve) => void TcpServer.prototype.close.call(server, () => resolve())),
    ),
  );
  // A connection that answered its last request would otherwise be kept open for the next one.
  const sweep = setInterval(() => {
    if (performance.now() - began < graceMillis) return;
    for (const server of servers) server.closeIdleConnections();
    // To node:http a connection is idle behind its first request only.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  }, idleSweepMillis);
  const lastWords = setTimeout(cutOff, Math.max(0, drainMillis - lastWordsMillis));
  const limit = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, drainMillis);
  await closed;
  clearInterval(sweep);
  clearTimeout(lastWords);
  clearTimeout(limit);
}
