import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NodeRequest } from '../adapters/node/request.ts';
import type { ServiceConfig } from '../compose/config.ts';
import type { Stack } from '../compose/stack.ts';
import type { Listed, OpenList } from './open-list.ts';
import type { Upstream } from './upstream/upstreams.ts';

/** An exchange as its gateway sees it, which watches over all of them. */
export interface UnderWay extends Listed {
  /** Called every now and then; `now`: milliseconds. */
  sweep(now: number): void;
  /** Ends it at once. */
  destroy(): void;
}

/** What every exchange of one gateway shares. */
export interface ExchangeContext {
  readonly stack: Stack;
  /** Exchanges under way; the gateway's sweep watches over the credentials of those that last. */
  readonly open: OpenList<UnderWay>;
}

export interface ExchangeOptions {
  readonly context: ExchangeContext;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly request: NodeRequest;
  readonly service: ServiceConfig;
  readonly upstream: Upstream;
  /** Path and query for the upstream. */
  readonly target: string;
  /** The client's socket for a WebSocket handshake; null for a plain request. */
  readonly upgrade: Duplex | null;
}
