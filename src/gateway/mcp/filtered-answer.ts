import type { Socket } from 'node:net';
import type { ResponseHandler } from '../upstream/connection.ts';
import { badResponse, type UpstreamError } from '../upstream/fault.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import { nameAt, type RulesInForce } from './judged.ts';
import { sessionHeader } from './sessions.ts';
import { listFilter, UnfilterableError, type ListFilter } from './list-filter.ts';

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
    this.#tried(() => {
      this.#filter = listFilter({ ...this.#inForce, lines: head.lines });
      const bound = this.#withBoundSession(head.lines);
      if (this.#filter === null) return this.#next.onHead({ ...head, lines: bound });
      const lines = bound.filter((_, index) => !isOfOriginalBytes(nameAt(bound, index)));
      if (this.#filter.whole) this.#held = { ...head, lines };
      else this.#next.onHead({ ...head, lines });
    });
  }

  onBody(bytes: Buffer): boolean {
    if (this.#filter === null) return this.#next.onBody(bytes);
    return this.#tried((filter) => {
      const out = filter?.push(bytes);
      return out === undefined || out.length === 0 || this.#next.onBody(out);
    }, true);
  }

  onPause(): void {
    if (this.#held === null) this.#next.onPause();
  }

  onEnd(last: Buffer | null): void {
    if (this.#filter === null) return this.#next.onEnd(last);
    const whole = this.#tried(
      (filter) => filter && Buffer.concat([...(last === null ? [] : [filter.push(last)]), filter.end()]),
      null,
    );
    if (whole === null) return;
    if (this.#held !== null) this.#next.onHead(this.#held);
    this.#next.onEnd(whole.length === 0 ? null : whole);
  }

  onSwitch(head: ResponseHead, socket: Socket): void {
    this.#next.onSwitch(head, socket);
  }

  onError(error: UpstreamError): void {
    this.#next.onError(error);
  }

  #withBoundSession(lines: readonly string[]): readonly string[] {
    const { sessions, principal } = this.#inForce;
    return lines.map((text, index) =>
      index % 2 === 1 && nameAt(lines, index).toLowerCase() === sessionHeader
        ? sessions.bound(text, principal.id)
        : text,
    );
  }

  #tried(work: (filter: ListFilter | null) => void): void;
  #tried<T>(work: (filter: ListFilter | null) => T, otherwise: T): T;
  #tried<T>(work: (filter: ListFilter | null) => T, otherwise?: T): T | undefined {
    try {
      return work(this.#filter);
    } catch (error) {
      if (!(error instanceof UnfilterableError)) throw error;
      this.#next.onError(badResponse(error.message));
      return otherwise;
    }
  }
}

/** Names of header lines that speak of bytes which are no longer the same. */
function isOfOriginalBytes(name: string): boolean {
  return /^(?:content-length|content-md5|content-digest|repr-digest|digest|etag|accept-ranges)$/i.test(name);
}
