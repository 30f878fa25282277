import { isObject, type JsonObject } from '../core/json/object.ts';
import type { ServerProcess } from './server-process.ts';

/** Takes what belongs to one request. */
export interface Reply {
  /** On the way: progress, and what a subscription brings. */
  notify(message: JsonObject): void;
  /** The response, the last there is. */
  finish(message: JsonObject): void;
}

interface Call {
  readonly id: unknown;
  readonly method: string;
  readonly progressToken: unknown;
  readonly reply: Reply;
  /** Milliseconds (performance.now) of the last word about it. */
  heard: number;
}

const callsMax = 1000;
const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';
const listen = 'subscriptions/listen';

/**
 * Requests to one process. Several clients of a caller may use the same ids and progress tokens, so each request is sent under
 * an id of ours, and what comes back gets its own again.
 */
export class Peer {
  readonly #process: () => ServerProcess;
  readonly #calls = new Map<number, Call>();
  #count = 0;
  /** When the process said anything last, milliseconds. */
  heard = performance.now();

  constructor(process: () => ServerProcess) {
    this.#process = process;
  }

  /** Requests under way. */
  get open(): number {
    return this.#calls.size;
  }

  /** The number by which it is cancelled; null when the process takes no more. */
  request(message: JsonObject, reply: Reply): number | null {
    if (this.#calls.size >= callsMax) return null;
    this.#count += 1;
    const own = this.#count;
    const params = isObject(message['params']) ? message['params'] : undefined;
    const meta = isObject(params?.['_meta']) ? params['_meta'] : undefined;
    const token = meta?.['progressToken'];
    const sent =
      token === undefined
        ? { ...message, id: own }
        : { ...message, id: own, params: { ...params, _meta: { ...meta, progressToken: own } } };
    if (!this.#process().send(sent)) return null;
    const method = String(message['method']);
    this.#calls.set(own, { id: message['id'], method, progressToken: token, reply, heard: performance.now() });
    return own;
  }

  /** True while a request with this reply is under way. */
  awaits(reply: Reply): boolean {
    return [...this.#calls.values()].some((call) => call.reply === reply);
  }

  /** Its answer could reach nobody any more. False when it was answered already. */
  cancel(own: number, reason: string): boolean {
    if (!this.#calls.delete(own)) return false;
    const params = { requestId: own, reason };
    this.#process().send({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    return true;
  }

  /** A notification of the client; one that cancels names the id that the client knows, among the requests that are its own. */
  notify(message: JsonObject): boolean {
    const { method, params } = message;
    if (method !== 'notifications/cancelled' || !isObject(params)) return this.#process().send(message);
    for (const [own, call] of this.#calls)
      if (sameId(call.id, params['requestId']))
        return this.#process().send({ ...message, params: { ...params, requestId: own } });
    return true;
  }

  /** What the process said; false when it belongs to no request. */
  take(message: JsonObject): boolean {
    this.heard = performance.now();
    if (message['method'] === undefined) {
      this.#answered(message);
      return true;
    }
    if ('id' in message || !isObject(message['params'])) return false;
    const params = message['params'];
    if (message['method'] === 'notifications/progress') {
      const call = this.#callOf(params['progressToken']);
      // Of a request that is over already.
      if (!call || call.progressToken === undefined) return true;
      call.reply.notify({ ...message, params: { ...params, progressToken: call.progressToken } });
      return true;
    }
    const meta = isObject(params['_meta']) ? params['_meta'] : undefined;
    if (meta?.[subscriptionKey] === undefined) return false;
    const call = this.#callOf(meta[subscriptionKey]);
    call?.reply.notify({ ...message, params: { ...params, _meta: { ...meta, [subscriptionKey]: call.id } } });
    return true;
  }

  #callOf(own: unknown): Call | undefined {
    const call = typeof own === 'number' ? this.#calls.get(own) : undefined;
    if (call) call.heard = performance.now();
    return call;
  }

  #answered(message: JsonObject): void {
    const own = message['id'];
    const call = this.#callOf(own);
    if (!call) return;
    this.#calls.delete(own as number);
    const result = message['result'];
    const meta = isObject(result) && isObject(result['_meta']) ? result['_meta'] : undefined;
    if (meta?.[subscriptionKey] === undefined) call.reply.finish({ ...message, id: call.id });
    else
      call.reply.finish({
        ...message,
        id: call.id,
        result: { ...(result as JsonObject), _meta: { ...meta, [subscriptionKey]: call.id } },
      });
  }

  /** As if it had said something about every request. */
  hear(): void {
    this.heard = performance.now();
    for (const call of this.#calls.values()) call.heard = this.heard;
  }

  /** The only request under way, for what the process says of no request. */
  only(): Reply | null {
    const [call, other] = this.#calls.values();
    return call && !other ? call.reply : null;
  }

  /** Ends what has waited for too long; true when the process has said nothing at all in that time. */
  expire(now: number, silenceMillis: number): boolean {
    let hangs = false;
    for (const [own, call] of this.#calls) {
      if (call.method === listen || now - call.heard < silenceMillis) continue;
      hangs ||= this.heard <= call.heard;
      this.cancel(own, 'no answer in time');
      call.reply.finish(rpcError(call.id, -32001, 'The MCP server gave no answer in time'));
    }
    return hangs;
  }

  /** The process is over: nobody else will answer. */
  fail(words: string): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { id, reply } of calls) reply.finish(rpcError(id, -32603, words));
  }
}

export function rpcError(id: unknown, code: number, message: string): JsonObject {
  return { jsonrpc: '2.0', id: id ?? null, error: { code, message } };
}

function sameId(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
