import type { Duplex } from 'node:stream';
import type { ResponseHandler } from '../upstream/connection.ts';
import type { UpstreamError } from '../upstream/fault.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import { nameAt, type RulesInForce } from './judged.ts';
import { sessionHeader } from './sessions.ts';
import { listFilter, type ListFilter } from './list-filter.ts';

/** Stands between an upstream's answer and whoever takes it, and takes out of its lists what the caller may not use. */
export class FilteredAnswer implements ResponseHandler {
  readonly #next: ResponseHandler;
  readonly #inForce: RulesInForce;
  #filter: ListFilter | null = null;
  /** Of an answer of which nothing may go out before all of it has come in. */
  #held: ResponseHead | null = null;

  constructor(next: ResponseHandler, inForce: RulesInForce) {
    this.#next = next;
    this.#inForce = inForce;
  }

  onHead(head: ResponseHead): void {
    const { lines } = head;
    this.#filter = listFilter(lines, this.#inForce);
    const bound = { ...head, lines: lines.map((text, index) => this.#bound(text, nameAt(lines, index), index)) };
    if (this.#filter === null) return this.#next.onHead(bound);
    const kept = { ...bound, lines: bound.lines.filter((_, index) => !isOfOriginalBytes(nameAt(lines, index))) };
    if (this.#filter.whole) this.#held = kept;
    else this.#next.onHead(kept);
  }

  onBody(bytes: Buffer): boolean {
    const out = this.#filter === null ? bytes : this.#filter.push(bytes);
    return out.length === 0 || this.#next.onBody(out);
  }

  onPause(): void {
    if (this.#held === null) this.#next.onPause();
  }

  onEnd(last: Buffer | null): void {
    if (this.#filter === null) return this.#next.onEnd(last);
    const pieces = last === null ? [] : [this.#filter.push(last)];
    const whole = Buffer.concat([...pieces, this.#filter.end()]);
    if (this.#held !== null) this.#next.onHead(this.#held);
    this.#next.onEnd(whole.length === 0 ? null : whole);
  }

  onSwitch(head: ResponseHead, socket: Duplex): void {
    this.#next.onSwitch(head, socket);
  }

  onError(error: UpstreamError): void {
    this.#next.onError(error);
  }

  /** A session's id becomes one that only this caller can use. `index`: even for names, odd for values. */
  #bound(text: string, name: string, index: number): string {
    const { sessions, principal } = this.#inForce;
    return index % 2 === 1 && name.toLowerCase() === sessionHeader ? sessions.bound(text, principal.id) : text;
  }
}

/** Names of header lines that speak of bytes which are no longer the same. */
function isOfOriginalBytes(name: string): boolean {
  return /^(?:content-length|content-md5|content-digest|repr-digest|digest|etag|accept-ranges)$/i.test(name);
}
