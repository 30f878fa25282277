import type { Stack } from '../compose/stack.ts';
import { hostFault, isLoopback, wasForwarded } from './host-check.ts';
import { callerWith, METRICS_READ } from './caller.ts';
import type { Exchange, Handler } from './exchange.ts';
import { COMMON_HEADERS, json, refusalReply, type Reply } from './reply.ts';
import { isRefused } from './refused.ts';

const pingSecondsMax = 2;

export interface Probes {
  readonly health: Handler;
  readonly live: Handler;
  readonly ready: Handler;
  readonly startup: Handler;
  readonly info: Handler;
  readonly metrics: Handler;
}

export function probes(stack: Stack): Probes {
  const startedAt = stack.clock();
  const storeStands = storeProbe(stack);

  return {
    health: () => json(200, { status: 'UP', uptime_seconds: uptime(stack, startedAt) }),
    live: up,
    startup: up,
    async ready() {
      const stale = stack.staleness.seconds();
      const staleSeconds = stale === null ? 0 : Math.ceil(stale);
      const { kind } = stack.store;
      const stands = await storeStands();
      if (stands === 'away')
        return json(503, { status: 'DOWN', reason: `the ${kind} store does not answer`, stale_seconds: staleSeconds });
      // Full, say, or a replica: what is known goes on, but nothing can be minted, counted or kept.
      if (stands === 'read_only' || stack.audit.waiting)
        return json(503, { status: 'DOWN', reason: `the ${kind} store takes no writes`, stale_seconds: staleSeconds });
      // It answers, but its changes are not heard, or what changed meanwhile is not read yet.
      if (stack.staleness.seconds() !== null)
        return json(503, {
          status: 'DOWN',
          reason: `changes of the ${kind} store may have been missed, until they are heard again and everything was read anew`,
          stale_seconds: staleSeconds,
        });
      return json(200, { status: 'UP', store: kind });
    },
    info: () =>
      json(200, { name: stack.config.name, version: stack.version, uptime_seconds: uptime(stack, startedAt) }),
    metrics,
  };
}

function up(): Reply {
  return json(200, { status: 'UP' });
}

function uptime(stack: Stack, startedAt: number): number {
  return Math.max(0, Math.floor(stack.clock() - startedAt));
}

export type StoreStanding = 'answers' | 'read_only' | 'away';

/** One question at a time to the store, whatever the number of probes, and no longer than a probe waits. */
export function storeProbe(stack: Stack): () => Promise<StoreStanding> {
  let asking: Promise<StoreStanding> | null = null;
  return () => {
    asking ??= standing(stack).finally(() => (asking = null));
    return asking;
  };
}

async function standing(stack: Stack): Promise<StoreStanding> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<StoreStanding>((resolve) => {
    timer = setTimeout(resolve, pingSecondsMax * 1000, 'away');
  });
  try {
    return await Promise.race([stack.store.ping().then(() => 'answers' as const), tooLate]);
  } catch (error) {
    return error instanceof Error && 'readOnly' in error && error.readOnly === true ? 'read_only' : 'away';
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Open to a scraper on the same machine. A forwarding header means that a proxy there stands in for somebody else, and a
 * foreign Host that a browser there does (DNS rebinding) or a proxy that adds nothing.
 */
async function metrics(exchange: Exchange): Promise<Reply> {
  if (!isLoopback(exchange.peerAddress) || wasForwarded(exchange) || hostFault(exchange)) {
    const caller = await callerWith(exchange, METRICS_READ);
    if (isRefused(caller)) return refusalReply(caller);
  }
  const { contentType, text } = await exchange.stack.audit.metrics();
  const headers = { 'content-type': contentType, 'content-length': String(Buffer.byteLength(text)), ...COMMON_HEADERS };
  return { status: 200, headers, body: text };
}
