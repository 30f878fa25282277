import type { IncomingMessage } from 'node:http';
import { Gathered } from '../../core/gathered.ts';
import type { OnPiece } from '../../core/request.ts';
import { gone, tooLarge } from './body.ts';

/** What was held and put back: another guard before the same handler verifies it too. */
const held = new WeakMap<IncomingMessage, Buffer>();

/**
 * The whole body of a request, up to `limit` bytes, left in the stream for whoever reads it next. Rejects with a BodyError;
 * what was read by then is in the stream all the same, since in report mode the request goes on. `onPiece` sees it as it arrives.
 *
 * Nothing has seen an 'end' yet when the bytes are put back: node:stream announces it a turn later, and only if nothing is
 * left to read by then.
 */
export function leaveBody(req: IncomingMessage, limit: number, onPiece: OnPiece = () => undefined): Promise<Buffer> {
  const before = held.get(req);
  if (before !== undefined) return before.length > limit ? Promise.reject(tooLarge(limit)) : Promise.resolve(before);
  if (req.destroyed && !req.complete) return Promise.reject(gone());
  if (req.readableDidRead || req.readableEnded) return Promise.reject(alreadyRead());
  const { 'content-length': length } = req.headers;
  const declared = length === undefined ? null : Number(length);
  if (declared !== null && declared > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const read = new Gathered();
    const settle = (error: Error | null): void => {
      req.off('readable', onReadable).off('error', onGone).off('close', onGone);
      const body = read.whole();
      if (body.length > 0 && !req.destroyed) putBack(req, body);
      if (error !== null) return reject(error);
      held.set(req, body);
      resolve(body);
    };
    const onReadable = (): void => {
      while (req.readableLength > 0 && read.size <= limit) {
        const chunk = req.read() as Buffer;
        read.push(chunk);
        onPiece(chunk);
      }
      if (read.size > limit) settle(tooLarge(limit));
      // A request that a test injects never says that it is complete, but how long it is.
      else if ((req.complete && req.readableLength === 0) || read.size === declared) settle(null);
    };
    const onGone = (): void => settle(gone());
    if (req.complete) {
      onReadable();
      return;
    }
    // An abort is looked for a listener of in one turn and told in another, when ours may be gone.
    req.on('error', () => undefined);
    // Begins to read, or else the listener would do so a turn later and could run into the end of an empty body.
    req.read(0);
    req.on('readable', onReadable).on('error', onGone).on('close', onGone);
  });
}

/** node:stream remembers that somebody read, and a Request takes no such stream for its body; the handler is the first to read. */
function putBack(req: IncomingMessage, body: Buffer): void {
  req.unshift(body);
  const { _readableState: state } = req as unknown as { readonly _readableState?: { dataEmitted: boolean } };
  if (state) state.dataEmitted = false;
}

/** Nobody can tell any more what was signed, which is a mistake of the program and not of the caller. */
function alreadyRead(): Error {
  return new Error('the body was read before it could be verified: let protect come before what reads bodies');
}
