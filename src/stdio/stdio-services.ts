import { createServer, type Server } from 'node:http';
import { duplexPair, type Duplex } from 'node:stream';
import type { Command } from './command.ts';
import { memoryUse } from './memory-use.ts';
import type { Hold } from './messages.ts';
import { stdioService, type StdioService } from './stdio-service.ts';
import { watchdog } from './watchdog.ts';

/**
 * The MCP servers that are run here. To the gateway each is one more upstream that speaks HTTP, over a pipe within this process:
 * there is no port and no socket file that anybody else could reach.
 */
export interface StdioServices {
  /** A new connection to the server of this key; a process is started when it is first asked for something. */
  connect(key: string, command: () => Command): Duplex;
  /** Ends the processes of all others. */
  keepOnly(keys: ReadonlySet<string>): void;
  close(): Promise<void>;
}

const sweepMillis = 1000;

/** `hold` reads the bodies of all of them. */
export function stdioServices(hold: Hold, say: (text: string) => void): StdioServices {
  const running = new Map<string, { readonly service: StdioService; readonly server: Server }>();
  const leaving = new Set<Promise<void>>();
  const dog = watchdog({ onWarning: say });
  let measuring = false;

  function serverOf(key: string, command: () => Command): Server {
    const known = running.get(key);
    if (known) return known.server;
    const service = stdioService({ command: command(), dog, hold, say });
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (req, res) => service.handle(req, res));
    running.set(key, { service, server });
    return server;
  }

  function drop(key: string): void {
    const known = running.get(key);
    running.delete(key);
    if (!known) return;
    const gone = known.service.close().finally(() => {
      known.server.closeAllConnections();
      leaving.delete(gone);
    });
    leaving.add(gone);
  }

  async function measure(): Promise<void> {
    const groups = new Set([...running.values()].flatMap(({ service }) => [...service.groups()]));
    if (measuring || groups.size === 0) return;
    measuring = true;
    const use = await memoryUse(groups);
    measuring = false;
    for (const { service } of running.values()) service.memory(use);
  }

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const { service } of running.values()) service.sweep(now);
    void measure();
  }, sweepMillis);
  sweep.unref();

  return {
    connect(key, command) {
      const [ours, theirs] = duplexPair();
      // Destroyed, a side of a pair says nothing to the other one.
      ours.on('close', () => theirs.destroy());
      theirs.on('error', () => undefined).on('close', () => ours.destroy());
      serverOf(key, command).emit('connection', theirs);
      return ours;
    },
    keepOnly(keys) {
      for (const key of running.keys()) if (!keys.has(key)) drop(key);
    },
    async close() {
      clearInterval(sweep);
      for (const key of running.keys()) drop(key);
      while (leaving.size > 0) await Promise.all(leaving);
      dog.close();
    },
  };
}
