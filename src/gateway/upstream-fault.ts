import { deny, type Denied } from '../core/verdict.ts';

export interface UpstreamFault {
  readonly denied: Denied;
  /** True when the connection was closed before a byte of an answer came: a kept-alive connection that went stale. */
  readonly stale: boolean;
}

const STALE: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** Tells an upstream that is away (502) from one that is slow (504). The note goes to the operator's log. */
export function upstreamFault(error: Error, upstream: string): UpstreamFault {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const said = error.message === '' ? code : error.message;
  if (code === 'UND_ERR_HEADERS_TIMEOUT')
    return { denied: deny('upstream_timeout', `${upstream} sent no response head in time`), stale: false };
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return { denied: deny('upstream_unreachable', `${upstream} accepted no connection in time`), stale: false };
  return { denied: deny('upstream_unreachable', `${upstream}: ${said}`), stale: STALE.has(code) };
}
