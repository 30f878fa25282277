import type { Readable, Writable } from 'node:stream';

const lineEnd = 0x0a;

/** Passes on whole lines only, so that those of several sources never run into each other. */
export function passLines(from: Readable, to: Writable): void {
  let rest: Buffer[] = [];
  from.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(lineEnd) + 1;
    if (end === 0) {
      rest.push(chunk);
      return;
    }
    const lines = Buffer.concat([...rest, chunk.subarray(0, end)]);
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
    if (to.write(lines)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
}
