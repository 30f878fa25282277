import { connect, isIP, Socket, type TcpNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type SecureContext } from 'node:tls';

/** Where connections go. */
export interface Origin {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Which authorities count, what we show, and the name that the certificate must have; null for the usual. */
  readonly secure?: (() => { readonly context: SecureContext | null; readonly serverName: string | null }) | null;
  /** Milliseconds until a connection stands. */
  readonly connectTimeout: number;
  /** In place of a connection over the network: one within this process, which stands at once. */
  readonly pipe?: (() => Duplex) | null;
}

/** How what arrives is taken. */
export interface Taking {
  /** Bytes that are good only until it returns. False: no more until the socket is resumed. */
  read(bytes: Buffer): boolean;
  /** The same as a listener, for a socket that may be handed over as a stream. */
  readonly onData: (bytes: Buffer) => void;
}

export interface OpenedSocket {
  /** On its way: it tells of 'connect', with TLS of 'secureConnect', or of 'error'. */
  readonly socket: Duplex;
  /** The certificates with which it was opened; null for the usual. */
  readonly context: SecureContext | null;
}

/**
 * What is read lands here and is dealt with before anything else is read, on whichever connection: so one piece of memory
 * serves them all, and an open stream holds none.
 */
const readBuffer = Buffer.allocUnsafeSlow(65_536);
const keepAliveDelayMillis = 30_000;

const usualSecurity = { context: null, serverName: null };

/** `switching`: for an upgrade, whose socket is handed over as a stream. */
export function openSocket(origin: Origin, { read, onData }: Taking, switching: boolean): OpenedSocket {
  if (origin.pipe) return { socket: origin.pipe().on('data', onData), context: null };
  const { host, port } = origin;
  const options = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMillis };
  if (switching) {
    const opened = connectTo(origin, options);
    opened.socket.on('data', onData);
    return opened;
  }
  const callback = (length: number): boolean => read(readBuffer.subarray(0, length));
  return connectTo(origin, { ...options, onread: { buffer: readBuffer, callback } });
}

function connectTo({ tls, secure }: Origin, options: TcpNetConnectOpts): OpenedSocket {
  if (!tls) return { socket: connect(options), context: null };
  const { context, serverName } = secure?.() ?? usualSecurity;
  // Without what it is to be checked against, a connection would be checked against something else.
  if (secure && context === null)
    return { socket: new Socket().destroy(new Error('its certificate files cannot be used')), context };
  const name = serverName ?? (isIP(options.host ?? '') === 0 ? options.host : undefined);
  const socket = connectTls({
    ...options,
    ...(name !== undefined && { servername: name }),
    ...(context !== null && { secureContext: context }),
  });
  return { socket, context };
}
