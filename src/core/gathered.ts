/**
 * Bytes that come in pieces, copied together as they come. To keep the pieces would cost a hundred times the bytes of whoever sends
 * them one at a time.
 */
export class Gathered {
  #bytes = Buffer.alloc(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(piece: Uint8Array): void {
    const size = this.#size + piece.length;
    if (size > this.#bytes.length) {
      const wider = Buffer.allocUnsafe(Math.max(size, 2 * this.#bytes.length));
      wider.set(this.whole());
      this.#bytes = wider;
    }
    this.#bytes.set(piece, this.#size);
    this.#size = size;
  }

  /** All so far; it stays what it is. */
  whole(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }
}
