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
  /**
   * Whether its caller is proven, as is whoever is judged by a body. Strangers, who are let in where nothing is enforced, have half of
   * the room: a body may take as long as it likes to come in, and theirs are not to keep out everybody else's.
   */
  readonly isProven?: boolean;
}

/** `bytesMax` is asked for each piece, since a configuration may change. */
export function heldBodies(bytesMax: () => number): HeldBodies {
  let held = 0;
  let ofStrangers = 0;
  return {
    hold(req, res, limit, { onPiece, isProven = true } = {}) {
      let own = 0;
      const count = (bytes: number): void => {
        held += bytes;
        own += bytes;
        if (!isProven) ofStrangers += bytes;
      };
      res.once('close', () => count(-own));
      return readBody(req, limit, onPiece, (bytes) => {
        const max = bytesMax();
        if (res.closed || held + bytes > max || (!isProven && ofStrangers + bytes > max / 2)) return false;
        count(bytes);
        return true;
      });
    },
  };
}

export function heldBytesMax({ services }: StackConfig): number {
  return services.reduce((most, { maxSignedBody }) => Math.max(most, largestMin * maxSignedBody), usualBytesMax);
}
