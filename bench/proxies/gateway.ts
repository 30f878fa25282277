import { createWriteStream } from 'node:fs';
import { lineWriter } from '../../src/audit/line-writer.ts';
import { parseConfig } from '../../src/compose/load.ts';
import { createStack } from '../../src/compose/stack.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { frontServer } from '../../src/gateway/server.ts';
import { createKey } from '../../src/keys/create.ts';
import { announce } from './child.ts';

/** `gateway.ts UPSTREAM FOLDER plain|full`: full writes a log line and a row for every decision, plain neither. */
const [upstream = '', folder = '.', variant = 'plain'] = process.argv.slice(2);
const full = variant === 'full';
const env = { COUNTERSIGN_MASTER_KEY: '5a'.repeat(32) };

const config = parseConfig(
  `listen: 127.0.0.1:8700
store: ${full ? `sqlite:${folder}/bench-${process.pid}.db` : 'memory:'}
mode: enforce
audit: { log: ${full}, rows: ${full} }
services:
  bench:
    upstream: ${upstream}
    routes:
      - { path: /embed, callers: [caller] }
  streams:
    upstream: ${upstream}
    tools: { deny: [wipe] }
  caller:
    upstream: ${upstream}
`,
  { file: null, env },
);
const lines = lineWriter(createWriteStream(full ? `${folder}/bench-${process.pid}.log` : '/dev/null'));
const stack = await createStack({ config, env, logLine: (line) => lines.line(line) });
const { key } = await createKey(stack.store, stack.seal, {
  service: 'caller',
  kind: 'sk',
  expiresAt: null,
  now: stack.clock(),
});
const gateway = createGateway(stack);
const server = frontServer(
  (req, res) => gateway.handle(req, res),
  (req, socket, head) => gateway.upgrade(req, socket, head),
);
announce(server, key);
process.on('message', (message) => {
  if (message !== 'memory') return;
  globalThis.gc?.();
  globalThis.gc?.();
  process.send?.({ rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed });
});
