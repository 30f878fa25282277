import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../adapters/node/body.ts';
import type { StackConfig } from '../compose/config.ts';
import type { OnPiece } from '../core/request.ts';

/** Of a process that may be given half a gigabyte: a body that is judged is in the memory up to four times. */
const usualBytesMax = 64 * 1024 * 1024;
/** So many of the largest size that is allowed fit in any case. */
const largestMin = 4;

/** Bodies that are held until they are judged and passed on, those of all requests together within a bound. */
export interface HeldBodies {
  /** Reads the whole body, up to `limit` bytes; it counts until the response is closed. Rejects with a BodyError. */
  hold(req: IncomingMessage, res: ServerResponse, limit: number, more?: HoldOptions): Promise<Buffer>;
}

export interface HoldOptions {
  readonly onPiece?: OnPiece | undefined;
  /** Who is proven to send it; '' for strangers, who are let in where nothing is enforced and count as one. */
  readonly caller?: string;
}

/**
 * A body may take as long as it likes to come in, so each caller holds at most as much as is left free: alone half of the room, and
 * however many never end what they began, there is room for one more. `bytesMax` is asked for each piece, since a configuration may
 * change.
 */
export function heldBodies(bytesMax: () => number): HeldBodies {
  let held = 0;
  const heldBy = new Map<string, number>();
  return {
    hold(req, res, limit, { onPiece, caller = '' } = {}) {
      let own = 0;
      const count = (bytes: number): void => {
        held += bytes;
        own += bytes;
        const theirs = (heldBy.get(caller) ?? 0) + bytes;
        if (theirs === 0) heldBy.delete(caller);
        else heldBy.set(caller, theirs);
      };
      res.once('close', () => count(-own));
      return readBody(req, limit, onPiece, (bytes) => {
        const free = bytesMax() - held - bytes;
        if (res.closed || (heldBy.get(caller) ?? 0) + bytes > free) return false;
        count(bytes);
        return true;
      });
    },
  };
}

export function heldBytesMax({ services }: StackConfig): number {
  return services.reduce((most, { maxSignedBody }) => Math.max(most, largestMin * maxSignedBody), usualBytesMax);
}
