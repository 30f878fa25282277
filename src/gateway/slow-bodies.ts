import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasBody } from '../adapters/node/request-shape.ts';

/** Watches over requests whose body is still coming in. */
export interface SlowBodies {
  watch(req: IncomingMessage, res: ServerResponse): void;
  close(): void;
}

interface Upload {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  bytes: number;
  /** When the last byte came, in milliseconds. */
  since: number;
}

const looksPerIdleTime = 6;

/**
 * Calls `onIdle` for a body that has not moved for so long. How long a whole body takes is nobody's business, but one that has
 * stopped holds a connection, and with it one to the upstream, for ever. Two kinds of waiting are not the client's: for us to
 * read on, and for the rest of a stream whose answer is under way already.
 */
export function slowBodies(idleMillis: number, onIdle: (req: IncomingMessage) => void): SlowBodies {
  const uploads = new Set<Upload>();

  function look(upload: Upload, now: number): void {
    const { req, res } = upload;
    if (req.complete || req.destroyed || res.headersSent) {
      uploads.delete(upload);
      return;
    }
    const { bytesRead } = req.socket;
    if (bytesRead !== upload.bytes || !awaited(req)) {
      upload.bytes = bytesRead;
      upload.since = now;
    } else if (now - upload.since >= idleMillis) {
      uploads.delete(upload);
      onIdle(req);
    }
  }

  const timer = setInterval(() => {
    const now = performance.now();
    for (const upload of uploads) look(upload, now);
  }, idleMillis / looksPerIdleTime);
  timer.unref();

  return {
    watch(req, res) {
      if (!hasBody(req)) return;
      const upload: Upload = { req, res, bytes: req.socket.bytesRead, since: performance.now() };
      uploads.add(upload);
      res.once('close', () => uploads.delete(upload));
    },
    close: () => clearInterval(timer),
  };
}

/** True when somebody reads and everything that came has been taken. */
function awaited(req: IncomingMessage): boolean {
  return req.readableLength === 0 && (req.readableFlowing === true || req.listenerCount('readable') > 0);
}
