import type { Readable, Writable } from 'node:stream';
import { linesDropped } from '../../audit/line-writer.ts';

const lineEnd = 0x0a;

/** Passes on whole lines only, so that those of several sources never run into each other; lines that are not taken are counted, and told of. */
export function passLines(from: Readable, to: Writable): void {
  let rest: Buffer[] = [];
  let lost = 0;
  from.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(lineEnd) + 1;
    if (end === 0) {
      rest.push(chunk);
      return;
    }
    const told = lost;
    lost = 0;
    // A part of what was lost may have been written, without its line end.
    const notice = Buffer.from(told > 0 ? `\n${linesDropped(told)}` : '');
    const lines = Buffer.concat([notice, ...rest, chunk.subarray(0, end)]);
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
    // Not by 'drain', which does not come where the write failed: a log on a full disk would hold them up for ever.
    const taken = (error?: Error | null): void => {
      if (error) lost += told + lineEndsIn(lines.subarray(notice.length));
      from.resume();
    };
    if (!to.write(lines, taken)) from.pause();
  });
}

function lineEndsIn(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(lineEnd); at >= 0; at = text.indexOf(lineEnd, at + 1)) count += 1;
  return count;
}
