/**
 * Preloaded into demonstration servers that would listen on every address of the machine: here they are to be reached by
 * nobody but this machine. `node --import ./loopback-only.ts server.js`
 */
import { Server } from 'node:net';

const { listen } = Server.prototype;

Server.prototype.listen = function (this: Server, port: unknown, ...rest: unknown[]) {
  const done = rest.findLast((each) => typeof each === 'function') as (() => void) | undefined;
  return Reflect.apply(listen, this, [{ port: Number(port), host: '127.0.0.1' }, done]) as Server;
};
