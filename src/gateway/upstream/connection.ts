import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { connectionWords, faultOf, UpstreamError, type UpstreamErrorCode } from './fault.ts';
import { openSocket, type Origin } from './open-socket.ts';
import type { ResponseHead } from './response-head.ts';
import { ResponseReader } from './response-reader.ts';
import { upload, type Upload } from './upload.ts';

export interface UpstreamRequest {
  readonly method: string;
  /** Request line and header lines without the empty one; it says how the body is framed. One byte a character. */
  readonly head: string;
  /** Held in memory, still coming in, or none. */
  readonly body: Buffer | IncomingMessage | null;
  /** Of a body that is still coming in: whether its length is not known. */
  readonly chunked: boolean;
}

/** Told of one response. After `onEnd`, `onSwitch` or `onError` no more comes. */
export interface ResponseHandler {
  onHead(head: ResponseHead): void;
  /** Bytes that are good only until it returns. False: no more until `resume`. */
  onBody(bytes: Buffer): boolean;
  /** All that the last read brought has been told: whatever is held back may go out. */
  onPause(): void;
  /** With the last piece of the body where that came together with the end; good only until it returns. */
  onEnd(last: Buffer | null): void;
  /** Status 101: the socket is the handler's now, and what came behind the head is its first data. */
  onSwitch(head: ResponseHead, socket: Duplex): void;
  onError(error: UpstreamError): void;
}

/** How long an idle connection is used again where the upstream says nothing, and how much sooner than it says. */
const idleSecondsUsual = 4;
const idleSecondsMargin = 2;
const idleSecondsMax = 600;

/** One connection to an upstream, for one request at a time (HTTP/1.1 without pipelining). */
export class UpstreamConnection {
  readonly #origin: Origin;
  readonly #socket: Duplex;
  #handler: ResponseHandler | null = null;
  #reader: ResponseReader | null = null;
  #upload: Upload | null = null;
  #head: ResponseHead | null = null;
  #paused = false;
  #sentAt = 0;
  #waitedMillis: number | null = null;
  /** With which it was opened. */
  readonly #context: SecureContext | null;
  readonly #connectTimer: NodeJS.Timeout;
  #stands = false;
  /** Milliseconds (performance.now); until then the connection may be used again. */
  #idleUntil = Infinity;
  #used = false;
  #open = true;

  /** `switching`: for an upgrade, whose socket is handed over as a stream. */
  constructor(origin: Origin, switching: boolean) {
    this.#origin = origin;
    const taking = { read: (bytes: Buffer) => this.#read(bytes), onData: this.#onData };
    ({ socket: this.#socket, context: this.#context } = openSocket(origin, taking, switching));
    this.#connectTimer = setTimeout(() => this.#fail('connect_timeout', ''), origin.connectTimeout);
    if (origin.pipe) this.#connected();
    this.#socket
      .once(origin.tls ? 'secureConnect' : 'connect', () => this.#connected())
      .on('error', (error) => this.#failed(error))
      .on('end', () => this.#ended())
      .on('close', () => this.#ended());
  }

  /** False when it was closed, or when it is not to be used again: certificates are others by now, say. */
  usable(now: number): boolean {
    if (!this.#open || this.#handler !== null || now >= this.#idleUntil) return false;
    const { secure } = this.#origin;
    return !secure || secure().context === this.#context;
  }

  /** The client's body is on its way, and it is the client's turn. */
  get waitsForClient(): boolean {
    return this.#upload !== null && this.#upload.doneAt === null && !this.#upload.blocked;
  }

  /** From the end of the request to the head of its answer; null where that came first. */
  get waitedMillis(): number | null {
    return this.#waitedMillis;
  }

  send({ method, head, body, chunked }: UpstreamRequest, handler: ResponseHandler): void {
    this.#handler = handler;
    this.#head = null;
    this.#sentAt = performance.now();
    this.#reader = new ResponseReader(
      {
        head: (read) => this.#headRead(read),
        body: (bytes) => this.#bodyRead(bytes),
        end: (last) => this.#endRead(last),
      },
      method,
    );
    if (body === null) this.#socket.write(`${head}\r\n`, 'latin1');
    else if (Buffer.isBuffer(body)) {
      this.#socket.cork();
      this.#socket.write(`${head}\r\n`, 'latin1');
      this.#socket.write(body);
      this.#socket.uncork();
    } else {
      this.#socket.write(`${head}\r\n`, 'latin1');
      const onBroken = (): void => this.#fail('client_gone', 'the client went away before its body was complete');
      this.#upload = upload({ req: body, socket: this.#socket, chunked, onBroken });
    }
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Ends it at once; its handler hears nothing more. */
  destroy(): void {
    this.#handler = null;
    this.#close();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (!this.#read(bytes)) this.#socket.pause();
  };

  #connected(): void {
    this.#stands = true;
    clearTimeout(this.#connectTimer);
  }

  /** False: read no further for now. */
  #read(bytes: Buffer): boolean {
    const reader = this.#reader;
    if (reader === null) {
      // Nobody has asked for anything.
      this.#close();
      return false;
    }
    try {
      const taken = reader.read(bytes);
      if (this.#head?.status === 101) this.#switched(this.#head, bytes.subarray(taken));
      else if (reader.done && taken < bytes.length) this.#close();
      else if (!reader.done) this.#handler?.onPause();
    } catch (error) {
      // Thrown on, it would take every other request of this process along.
      const { code, message } = faultOf(error);
      this.#fail(code, message);
    }
    return !this.#paused;
  }

  #headRead(head: ResponseHead): void {
    this.#head = head;
    const sentAt = this.#upload === null ? this.#sentAt : this.#upload.doneAt;
    this.#waitedMillis = sentAt === null ? null : performance.now() - sentAt;
    if (head.status !== 101) this.#handler?.onHead(head);
  }

  #bodyRead(bytes: Buffer): void {
    if (this.#handler?.onBody(bytes) === false) this.#paused = true;
  }

  #endRead(last: Buffer | null): void {
    const handler = this.#handler;
    const { keepsAlive = false, idleSeconds = null } = this.#head ?? {};
    // A body that was not taken to its end still stands before every next request.
    const rest = this.#upload !== null && this.#upload.doneAt === null;
    this.#over();
    const seconds = idleSeconds === null ? idleSecondsUsual : Math.min(idleSecondsMax, idleSeconds - idleSecondsMargin);
    if (!keepsAlive || rest || seconds <= 0) this.#close();
    this.#idleUntil = performance.now() + seconds * 1000;
    this.#tell(handler, () => handler?.onEnd(last));
  }

  #switched(head: ResponseHead, rest: Buffer): void {
    const handler = this.#handler;
    this.#over();
    this.#open = false;
    this.#socket.removeAllListeners('error').removeAllListeners('end').removeAllListeners('close');
    this.#socket.off('data', this.#onData).pause();
    if (rest.length > 0) this.#socket.unshift(rest);
    this.#tell(handler, () => handler?.onSwitch(head, this.#socket));
  }

  /** Of the end, behind which `#fail` knows no handler any more. */
  #tell(handler: ResponseHandler | null, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#close();
      handler?.onError(faultOf(error));
    }
  }

  /** The request is over, however it ended. */
  #over(): void {
    this.#upload?.stop();
    this.#upload = null;
    this.#reader = null;
    this.#handler = null;
    this.#used = true;
    // Idle, it is read on, so that its end is seen.
    this.resume();
  }

  #ended(): void {
    const reader = this.#reader;
    this.#open = false;
    try {
      reader?.close();
      this.#close();
    } catch (error) {
      const { code, message } = faultOf(error);
      this.#fail(code, message);
    }
  }

  #failed(error: Error & { code?: string }): void {
    const code: UpstreamErrorCode = this.#stands ? 'connection_lost' : 'unreachable';
    this.#fail(code, connectionWords(error));
  }

  #fail(code: UpstreamErrorCode, message: string): void {
    const handler = this.#handler;
    const stale = this.#used && this.#reader?.started === false && code === 'connection_lost';
    this.#over();
    this.#close();
    handler?.onError(new UpstreamError(code, message, stale));
  }

  #close(): void {
    this.#open = false;
    clearTimeout(this.#connectTimer);
    this.#upload?.stop();
    this.#socket.destroy();
  }
}
