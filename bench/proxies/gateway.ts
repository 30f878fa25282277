import { openSync, writeSync } from 'node:fs';
import { lineWriter } from '../../src/audit/line-writer.ts';
import { sealer } from '../../src/audit/chain/sealer.ts';
import { evidenceThread } from '../../src/cli/serve/evidence-thread.ts';
import { parseConfig } from '../../src/compose/load/load.ts';
import { createStack } from '../../src/compose/stack.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { frontServer } from '../../src/gateway/server.ts';
import { createKey } from '../../src/keys/create.ts';
import { bareRows } from './bare-rows.ts';
import { announce } from './child.ts';

/**
 * `gateway.ts UPSTREAM FOLDER plain|full|bare|silent`: full writes a log line and a row for every decision, plain neither; silent
 * is plain on the store of full; bare is full with rows that are no more than kept (bare-rows.ts). Told `seal`, it brings what waits to the store, seals what is not yet, and says how much is kept.
 */
const [upstream = '', folder = '.', variant = 'plain'] = process.argv.slice(2);
const full = variant === 'full' || variant === 'bare';
const env = { COUNTERSIGN_MASTER_KEY: '5a'.repeat(32) };

const config = parseConfig(
  `listen: 127.0.0.1:8700
store: ${variant !== 'plain' ? `sqlite:${folder}/bench-${process.pid}.db` : 'memory:'}
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
const log = openSync(full ? `${folder}/bench-${process.pid}.log` : '/dev/null', 'a');
// As process.stdout writes to a file: at once.
const lines = lineWriter({
  write(text, done) {
    writeSync(log, text);
    done?.();
    return true;
  },
  writableLength: 0,
  on: () => undefined,
});
const file = config.store.kind === 'sqlite' ? config.store.file : '';
// As in a server; it looks more often, since a round is shorter than what goes by between two looks.
const aside =
  variant === 'full'
    ? evidenceThread({ file, audit: config.audit, lookMillis: 500 }, (text) => process.stderr.write(`${text}\n`))
    : null;
const bare = variant === 'bare' ? bareRows(`${folder}/bare-${process.pid}.db`) : null;
const keeper = aside ?? bare ?? undefined;
const stack = await createStack({ config, env, logLine: (line) => lines.line(line), keeper });
aside?.start();
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
const { store, clock } = stack;
const { retainSeconds, retainRows, retainEventsSeconds, retainEventsCount } = config.audit;
const seals = sealer({
  events: store.events,
  decisions: store.decisions,
  clock,
  self: { id: 'server:bench', via: 'server', from: 'bench' },
  retain: { seconds: retainSeconds, rows: retainRows },
  retainEvents: { seconds: retainEventsSeconds, rows: retainEventsCount },
});
process.on('message', (message) => {
  if (message === 'memory') tellMemory();
  if (message === 'seal') void sealAll();
});

function tellMemory(): void {
  globalThis.gc?.();
  globalThis.gc?.();
  process.send?.({ rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed });
}

async function sealAll(): Promise<void> {
  await stack.audit.flush();
  if (bare) return void process.send?.({ kept: bare.count() });
  await seals.seal();
  const [newest] = await store.decisions.list({ limit: 1 });
  process.send?.({ kept: newest?.sequence ?? 0 });
}
