import type { Duplex } from 'node:stream';
import { isOfOriginalBytes, listFilter, UnreadableAnswer, type ListFilter } from '../../core/mcp/lists.ts';
import type { ResponseHandler } from '../upstream/connection.ts';
import { badResponse, type UpstreamError } from '../upstream/fault.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import { callersEndpoint } from './endpoint.ts';
import { nameAt, type RulesInForce } from './judged.ts';
import { sessionHeader } from './sessions.ts';

/** Stands between an upstream's answer and whoever takes it, and takes out of its lists what the caller may not use. */
export class FilteredAnswer implements ResponseHandler {
  readonly #next: ResponseHandler;
  readonly #inForce: RulesInForce;
  readonly #onUnread: (fault: UpstreamError) => void;
  #filter: ListFilter | null = null;
  /** Of an answer of which nothing may go out before all of it has come in. */
  #held: ResponseHead | null = null;

  /** `onUnread`: told what an event has for which it was not looked into, nor passed on. */
  constructor(next: ResponseHandler, inForce: RulesInForce, onUnread: (fault: UpstreamError) => void) {
    this.#next = next;
    this.#inForce = inForce;
    this.#onUnread = onUnread;
  }

  onHead(head: ResponseHead): void {
    const { lines } = head;
    this.#filter = looked(() => this.#filterFor(lines));
    const bound = { ...head, lines: lines.map((text, index) => this.#bound(text, nameAt(lines, index), index)) };
    if (this.#filter === null) return this.#next.onHead(bound);
    const kept = { ...bound, lines: bound.lines.filter((_, index) => !isOfOriginalBytes(nameAt(lines, index))) };
    if (this.#filter.whole) this.#held = kept;
    else this.#next.onHead(kept);
  }

  onBody(bytes: Buffer): boolean {
    const filter = this.#filter;
    const out = filter === null ? bytes : looked(() => filter.push(bytes));
    return out.length === 0 || this.#next.onBody(out);
  }

  onPause(): void {
    if (this.#held === null) this.#next.onPause();
  }

  onEnd(last: Buffer | null): void {
    const filter = this.#filter;
    if (filter === null) return this.#next.onEnd(last);
    const whole = looked(() => Buffer.concat([...(last === null ? [] : [filter.push(last)]), filter.end()]));
    if (this.#held !== null) this.#next.onHead(this.#held);
    this.#next.onEnd(whole.length === 0 ? null : whole);
  }

  onSwitch(head: ResponseHead, socket: Duplex): void {
    this.#next.onSwitch(head, socket);
  }

  onError(error: UpstreamError): void {
    this.#next.onError(error);
  }

  #filterFor(lines: readonly string[]): ListFilter | null {
    const { principal, rules, endpoint, sessions } = this.#inForce;
    if (principal === null) return null;
    const moved = endpoint === null ? null : (data: string) => callersEndpoint(data, endpoint, sessions);
    const onUnread = (what: string): void => this.#onUnread(badResponse(what));
    const options = { principal, rules, moved, onUnread };
    return listFilter(valueOf(lines, 'content-type'), valueOf(lines, 'content-encoding'), options);
  }

  /** A session's id becomes one that only this caller can use under enforcement. `index`: even for names, odd for values. */
  #bound(text: string, name: string, index: number): string {
    return index % 2 === 1 && name.toLowerCase() === sessionHeader ? this.#inForce.sessions.bound(text) : text;
  }
}

/** Runs what looks into an answer. What cannot be looked into is the upstream's fault. */
function looked<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw error instanceof UnreadableAnswer ? badResponse(error.message) : error;
  }
}

function valueOf(lines: readonly string[], name: string): string {
  const values: string[] = [];
  for (let index = 0; index < lines.length; index += 2)
    if (lines[index]?.toLowerCase() === name) values.push(lines[index + 1] ?? '');
  return values.join(', ').trim();
}
