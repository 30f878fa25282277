import type { IncomingMessage } from 'node:http';

const bytesMax = 1_048_576;
const millisMax = 2000;

/**
 * Reads and forgets what is left of a body, within bounds of size and time, then calls `done` once, with whether that was all of
 * it: closing a connection with unread bytes resets it, and a client that is still sending would lose the answer.
 */
export function discardBody(req: IncomingMessage, done: (drained: boolean) => void): void {
  let size = 0;
  const finish = (): void => {
    clearTimeout(timer);
    req.off('data', onData).off('end', finish).off('close', finish).off('error', finish);
    done(req.readableEnded);
  };
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > bytesMax) finish();
  };
  const timer = setTimeout(finish, millisMax);
  if (req.destroyed) finish();
  else req.on('data', onData).on('end', finish).on('close', finish).on('error', finish).resume();
}
