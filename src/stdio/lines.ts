const lineEnd = 0x0a;

/**
 * Cuts what comes in into lines. `onLine` gets each without its end; a line longer than `bytesMax` goes to `onTooLong` once,
 * with its beginning, and the rest of it is forgotten.
 */
export function lines(
  bytesMax: number,
  onLine: (line: Buffer) => void,
  onTooLong: (beginning: Buffer) => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  let skipping = false;

  function take(part: Buffer): void {
    if (skipping) return;
    parts.push(part);
    size += part.length;
    if (size <= bytesMax) return;
    const beginning = Buffer.concat(parts).subarray(0, bytesMax);
    parts = [];
    size = 0;
    skipping = true;
    onTooLong(beginning);
  }

  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(lineEnd); end !== -1; end = chunk.indexOf(lineEnd, start)) {
      take(chunk.subarray(start, end));
      start = end + 1;
      if (!skipping) {
        const line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
        parts = [];
        size = 0;
        onLine(line);
      }
      skipping = false;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  };
}
