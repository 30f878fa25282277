import { badResponse } from './fault.ts';
import { checkTrailer } from './response-head.ts';

/** Of a line that says how long a chunk is, extensions included. */
const lineBytesMax = 4096;
const trailerBytesMax = 16_384;
const CR = 13;
const LF = 10;

// Thirteen hexadecimal digits are the most that a number holds to the last one. Extensions as RFC 9112 §7.1.1 has them, without
// the blanks that it would have readers forgive: where quotes do not match, two readers may see two ends of the line.
const sizeLine =
  /^([0-9A-Fa-f]{1,13})(?:;[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*$/;

/**
 * The chunked coding (RFC 9112 §7.1), read as it comes in, however it is cut. Extensions and trailers are checked and left
 * out: nobody here has asked for them.
 */
export class Chunks {
  #state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size';
  /** The part of a line that came in earlier. */
  #line = '';
  #left = 0;
  #trailerBytes = 0;

  get done(): boolean {
    return this.#state === 'done';
  }

  /**
   * Reads from `at` on and calls `data` with each piece of a chunk; returns where it stopped: at the end of what there is, or
   * behind the last line. Throws an UpstreamError on what is no chunk.
   */
  read(bytes: Buffer, at: number, data: (piece: Buffer) => void): number {
    let from = at;
    while (from < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, from + this.#left);
        data(bytes.subarray(from, end));
        this.#left -= end - from;
        from = end;
        if (this.#left === 0) this.#state = 'data-end';
      } else from = this.#readLine(bytes, from);
    }
    return from;
  }

  #readLine(bytes: Buffer, from: number): number {
    const feed = bytes.indexOf(LF, from);
    const end = feed === -1 ? bytes.length : feed + 1;
    const max = this.#state === 'trailer' ? trailerBytesMax : this.#state === 'size' ? lineBytesMax : 2;
    if (this.#line.length + end - from > max) throw badResponse('a line between chunks that is too long');
    this.#line += bytes.toString('latin1', from, end);
    if (feed !== -1) this.#lineRead();
    return end;
  }

  #lineRead(): void {
    const text = this.#line;
    this.#line = '';
    if (text.charCodeAt(text.length - 2) !== CR || text.indexOf('\r') !== text.length - 2)
      throw badResponse('a line between chunks that does not end in CRLF');
    const content = text.slice(0, -2);
    if (this.#state === 'size') this.#begin(content);
    else if (this.#state === 'data-end') {
      if (content !== '') throw badResponse('a chunk that is longer than it says');
      this.#state = 'size';
    } else {
      this.#trailerBytes += text.length;
      if (this.#trailerBytes > trailerBytesMax) throw badResponse('trailers that are too long');
      if (content === '') this.#state = 'done';
      else checkTrailer(content);
    }
  }

  #begin(line: string): void {
    const [, digits] = sizeLine.exec(line) ?? [];
    if (digits === undefined) throw badResponse('a chunk without its length');
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'data';
  }
}
