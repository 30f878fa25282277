export interface StreamEvent {
  /** 'comment' for a comment line, which says that the stream lives. */
  readonly event: string;
  readonly data: string;
}

/** Reads server-sent events from text that comes in any pieces (HTML Standard §9.2.6, as far as our server writes it). */
export function eventReader(take: (event: StreamEvent) => void): (piece: string) => void {
  let rest = '';
  return (piece) => {
    const blocks = `${rest}${piece}`.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) take(eventOf(block));
  };
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
