import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject, type JsonObject } from '../core/json/object.ts';
import type { Command } from './command.ts';
import { EventStream } from './event-stream.ts';
import { Peer, rpcError, type Reply } from './peer.ts';
import { PostAnswer } from './post-answer.ts';
import { startProcess, type ServerProcess } from './server-process.ts';
import type { Watchdog } from './watchdog.ts';

const waitingMax = 64;
const waitingBytesMax = 1_048_576;
const questionsMax = 64;
/** A request that brings nothing for so long is answered with a stream. */
const patienceMillisMax = 10_000;
/** For what nobody waits for. */
const nobody: Reply = { notify: () => undefined, finish: () => undefined };

export interface SeatOptions {
  readonly command: Command;
  readonly dog: Watchdog;
  /** Who it belongs to; nobody else is let near it. '' for callers of whom nothing is proven. */
  readonly caller: string;
  /** Of the session; null where the revision knows none. */
  readonly session: string | null;
  readonly say: (text: string) => void;
  readonly onEnd: (seat: Seat, how: string, asked: boolean) => void;
}

/** One process and those who talk to it: a session, or a caller's requests without one. */
export class Seat {
  readonly caller: string;
  readonly session: string | null;
  readonly process: ServerProcess;
  readonly began = performance.now();
  /** The server has answered a request, so that it can be started. */
  proven = false;
  #succeeded = false;
  readonly #silenceMillis: number;
  readonly #peer: Peer;
  #lastUsed = performance.now();
  #listener: EventStream | null = null;
  readonly #posts = new Set<PostAnswer>();
  readonly #waiting: { readonly message: JsonObject; readonly bytes: number }[] = [];
  #waitingBytes = 0;
  /** Ids of what the server asked the client. */
  readonly #questions = new Set<string>();

  constructor({ command, dog, caller, session, say, onEnd }: SeatOptions) {
    this.caller = caller;
    this.session = session;
    this.#silenceMillis = command.silenceMillis;
    this.process = startProcess(command, dog, {
      say,
      onMessage: (message) => this.#said(message),
      onEnd: (how, asked) => {
        onEnd(this, how, asked);
        this.#peer.fail(`The MCP server ended: ${how}`);
        this.#listener?.end();
      },
    });
    this.#peer = new Peer(() => this.process);
  }

  /** Milliseconds since anybody had to do with it; 0 while somebody has. */
  idleMillis(now: number): number {
    return this.#peer.open > 0 || this.#listener ? 0 : now - this.#lastUsed;
  }

  /** It was asked which revisions it knows, and knows none without sessions. */
  get useless(): boolean {
    return this.session === null && this.proven && !this.#succeeded && !this.busy;
  }

  /** True while a request is under way. */
  get busy(): boolean {
    return this.#peer.open > 0;
  }

  /** A POST's messages. Answers in every case. */
  post(req: IncomingMessage, res: ServerResponse, messages: readonly JsonObject[]): void {
    this.#lastUsed = performance.now();
    const requests = messages.filter(isRequest);
    const headers: Record<string, string> = this.session === null ? {} : { 'mcp-session-id': this.session };
    for (const message of messages) if (!isRequest(message)) this.#tell(message);
    if (requests.length === 0) return void res.writeHead(202, headers).end();
    let held = false;
    const release = (): void => {
      if (held) this.process.resume();
      held = false;
    };
    const answer = new PostAnswer({
      res,
      awaited: requests.length,
      streams: /text\/event-stream|\*\/\*/.test(req.headers.accept ?? ''),
      patienceMillis: Math.min(patienceMillisMax, this.#silenceMillis / 2),
      headers,
      statusOf: this.session === null ? statusOf : () => 200,
      onFull: () => {
        held = true;
        this.process.pause();
      },
    });
    this.#posts.add(answer);
    const sent = requests.map((message) => {
      const own = this.#peer.request(message, answer);
      if (own === null) answer.finish(rpcError(message['id'], -32000, 'The MCP server takes no more requests now'));
      return own;
    });
    res.on('drain', release);
    res.on('close', () => {
      release();
      this.#lastUsed = performance.now();
      this.#posts.delete(answer);
      let left = false;
      for (const own of sent) if (own !== null && this.#peer.cancel(own, 'the client went away')) left = true;
      // It may have left because the server hangs: that is found out, or the next client would wait as well.
      if (left && !this.#peer.awaits(nobody)) this.#peer.request({ jsonrpc: '2.0', id: 0, method: 'ping' }, nobody);
    });
  }

  /** A GET: the stream for what belongs to no request. False when there is one already. */
  listen(res: ServerResponse): boolean {
    if (this.#listener) return false;
    const stream = new EventStream(res, this.session === null ? {} : { 'mcp-session-id': this.session });
    this.#listener = stream;
    for (const { message } of this.#waiting.splice(0)) stream.send(message);
    this.#waitingBytes = 0;
    res.on('drain', () => this.process.resume());
    res.on('close', () => {
      if (this.#listener === stream) this.#listener = null;
      this.#lastUsed = performance.now();
      this.process.resume();
    });
    return true;
  }

  /** Ends what waits for too long, and a process that has stopped answering. */
  expire(now: number): void {
    // Who is not listened to cannot be heard.
    if (this.process.paused) this.#peer.hear();
    else if (this.#peer.expire(now, this.#silenceMillis)) this.process.kill('it hangs');
  }

  /** Notifications, and answers to what the server asked. */
  #tell(message: JsonObject): void {
    if (message['method'] !== undefined) this.#peer.notify(message);
    else if (this.#questions.delete(JSON.stringify(message['id']))) this.process.send(message);
  }

  #said(message: JsonObject): void {
    if (this.#peer.take(message)) {
      if (message['method'] === undefined) {
        this.proven = true;
        this.#succeeded ||= 'result' in message;
      }
      return;
    }
    if ('id' in message) {
      if (this.session === null || this.#questions.size >= questionsMax) {
        const why = this.session === null ? 'No client can be asked here' : 'Too many questions are open';
        this.process.send(rpcError(message['id'], -32000, why));
        return;
      }
      this.#questions.add(JSON.stringify(message['id']));
    }
    this.#pass(message);
  }

  /** To whoever listens; else to who waits for an answer; else it waits for a listener. */
  #pass(message: JsonObject): void {
    if (this.#listener) {
      if (!this.#listener.send(message)) this.process.pause();
      return;
    }
    if (this.session === null) return this.#peer.only()?.notify(message);
    const open = [...this.#posts].filter(({ streams }) => streams).at(-1);
    if (open) return open.notify(message);
    const bytes = JSON.stringify(message).length;
    this.#waiting.push({ message, bytes });
    this.#waitingBytes += bytes;
    while (this.#waiting.length > waitingMax || this.#waitingBytes > waitingBytesMax) this.#dropFirst();
  }

  #dropFirst(): void {
    const first = this.#waiting.shift();
    if (!first) return;
    const { message, bytes } = first;
    this.#waitingBytes -= bytes;
    if (!('id' in message)) return;
    this.#questions.delete(JSON.stringify(message['id']));
    this.process.send(rpcError(message['id'], -32000, 'The client does not listen'));
  }
}

function isRequest(message: JsonObject): boolean {
  return typeof message['method'] === 'string' && 'id' in message;
}

/** Of the revision without sessions. */
function statusOf({ error }: JsonObject): number {
  const code = isObject(error) ? error['code'] : undefined;
  if (code === -32601) return 404;
  return code === -32020 || code === -32021 || code === -32022 ? 400 : 200;
}
