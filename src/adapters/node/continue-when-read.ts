import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/**
 * Asks a client that waits with its body (`Expect: 100-continue`, RFC 9110 §10.1.1) to send it when somebody wants to read it, and not
 * before: a guard that refuses it unread spares it the upload. By itself node:http asks for every body before anybody has judged. For
 * the server of any framework that is built on node:http; the connection of one whose body nobody wanted ends with the answer.
 */
export function continueWhenRead(server: Server): void {
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    const { shouldKeepAlive } = res;
    // What comes next on the connection, the body or another request, nobody could tell.
    res.shouldKeepAlive = false;
    // Of a stream, what is called when somebody wants to read.
    const { _read: read } = req;
    const firstRead = (size: number): void => {
      Object.assign(req, { _read: read });
      // Behind an answer node:http itself reads what is left.
      if (!res.headersSent) {
        res.shouldKeepAlive = shouldKeepAlive;
        res.writeContinue();
      }
      read.call(req, size);
    };
    Object.assign(req, { _read: firstRead });
    server.emit('request', req, res);
  });
}
