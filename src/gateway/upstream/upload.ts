import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';

/** What of a client's body has gone to the upstream. */
export interface Upload {
  /** When all of it had been handed over, milliseconds (performance.now); null while it has not. */
  readonly doneAt: number | null;
  /** True while the upstream takes no more for the moment. */
  readonly blocked: boolean;
  /** Lets go of the client's request, which then flows on: whoever answers reads what remains, up to a bound. */
  stop(): void;
}

export interface UploadOptions {
  readonly req: IncomingMessage;
  readonly socket: Writable;
  /** False when the length was said in the head. */
  readonly chunked: boolean;
  /** Called at most once, when the body breaks off before its end. */
  readonly onBroken: () => void;
}

/** Brings the client's body to the upstream at the upstream's pace. */
export function upload({ req, socket, chunked, onBroken }: UploadOptions): Upload {
  let doneAt: number | null = null;
  let stopped = false;

  function onData(chunk: Buffer): void {
    if (!write(chunk)) req.pause();
  }

  function write(chunk: Buffer): boolean {
    if (!chunked) return socket.write(chunk);
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const more = socket.write('\r\n', 'latin1');
    socket.uncork();
    return more;
  }

  const onDrain = (): void => void req.resume();

  function onEnd(): void {
    doneAt = performance.now();
    if (chunked) socket.write('0\r\n\r\n', 'latin1');
    stop();
  }

  function onGone(): void {
    // 'close' follows 'end' too: only a body that broke off is an error.
    if (doneAt !== null || stopped || req.readableEnded) return;
    stop();
    onBroken();
  }

  function stop(): void {
    if (stopped) return;
    stopped = true;
    req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    socket.off('drain', onDrain);
    req.resume();
  }

  socket.on('drain', onDrain);
  req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  if (req.destroyed && !req.readableEnded) queueMicrotask(onGone);
  // Whoever read from it before may have paused it.
  req.resume();
  return {
    get doneAt() {
      return doneAt;
    },
    get blocked() {
      return !stopped && socket.writableNeedDrain;
    },
    stop,
  };
}
