import type { IncomingMessage } from 'node:http';
import { Gathered } from '../../core/gathered.ts';
import { BodyError, type OnPiece } from '../../core/request.ts';

/**
 * The whole body of a request, held in memory up to `limit` bytes. `room` is asked for each piece of it, and `onPiece` sees it
 * then. Rejects with a BodyError.
 */
export function readBody(
  req: IncomingMessage,
  limit: number,
  onPiece: OnPiece = () => undefined,
  room: (bytes: number) => boolean = () => true,
): Promise<Buffer> {
  const declared = Number(req.headers['content-length'] ?? 0);
  if (declared > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const body = new Gathered();
    const settle = (error: BodyError | null): void => {
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      if (error === null) resolve(body.whole());
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      body.push(chunk);
      const fault = body.size > limit ? tooLarge(limit) : room(chunk.length) ? null : noRoom();
      if (fault === null) {
        onPiece(chunk);
        return;
      }
      // Reading on would let one client fill the memory. What was read is put back: whoever decides may yet pass it on.
      settle(fault);
      req.pause();
      req.unshift(body.whole());
    };
    const onEnd = (): void => settle(null);
    const onGone = (): void => settle(gone());
    if (req.destroyed && !req.readableEnded) reject(gone());
    else if (req.readableEnded) settle(null);
    else req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}

export function tooLarge(limit: number): BodyError {
  return new BodyError('body_too_large', `the body is larger than ${limit} bytes`);
}

function noRoom(): BodyError {
  return new BodyError('no_room_for_body', 'there is no room for another body');
}

export function gone(): BodyError {
  return new BodyError('body_unavailable', 'the client went away before its body was complete');
}
