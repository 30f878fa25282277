export interface StreamEvent {
  /** 'comment' for a comment line, which says that the stream lives. */
  readonly event: string;
  readonly data: string;
}

/** Rejects with what `take` throws. Reads server-sent events from text that comes in any pieces (HTML Standard §9.2.6, as far as our server writes it). */
export async function readEvents(
  stream: ReadableStream<Uint8Array>,
  take: (event: StreamEvent) => void,
): Promise<void> {
  const reader = stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let rest = '';
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const blocks = `${rest}${read.value}`.split('\n\n');
      // What the stream ends in before its empty line is no event, and belongs to no other stream.
      rest = blocks.pop() ?? '';
      for (const block of blocks) take(eventOf(block));
    }
  } finally {
    // One whose events cannot be taken is not left open: nobody reads it any more.
    await reader.cancel().catch(() => undefined);
  }
}

function eventOf(block: string): StreamEvent {
  let event = 'comment';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('data: ')) data.push(line.slice(6));
  }
  return { event, data: data.join('\n') };
}
