import type { Act } from '../../core/event.ts';
import { hasCode } from '../../core/store.ts';
import { deny } from '../../core/verdict.ts';
import type { Account } from '../../operators/account.ts';
import type { LoginResult } from '../../operators/login.ts';
import type { OpenSession } from '../../operators/sessions.ts';
import { behindBody } from '../body.ts';
import type { Exchange, Handler } from '../exchange.ts';
import { isRefused, refused, refusedBy, type Refused } from '../refused.ts';
import { refusalReply, type Reply } from '../reply.ts';
import { sessionOf } from './operator-caller.ts';
import type { Operators } from './operators.ts';

export type OwnWork = (exchange: Exchange, session: OpenSession) => Promise<Reply | Refused>;

/** For whoever has an open session. */
export function own(operators: Operators, work: OwnWork): Handler {
  return awaited(async (exchange) => {
    const judged = () => sessionOf(exchange, operators);
    const session = await (exchange.method === 'GET' ? judged() : behindBody(exchange, judged));
    return isRefused(session) ? session : work(exchange, session);
  });
}

/** Of too many passwords at once some are not looked at: whoever showed them is told to come back. */
export function awaited(work: (exchange: Exchange) => Promise<Reply | Refused>): Handler {
  return async (exchange) => {
    try {
      const reply = await work(exchange);
      return isRefused(reply) ? refusalReply(reply) : reply;
    } catch (error) {
      if (!hasCode(error, 'hashing_busy')) throw error;
      return refusalReply(refusedBy(deny('rate_limited', 'too many log in at once', { retryAfter: 5 })));
    }
  };
}

/** The same for a wrong name, password and code. */
export function unproven(result: Exclude<LoginResult, { result: 'right' }>): Refused {
  if (result.result === 'limited')
    return refusedBy(deny('rate_limited', 'too many wrong logins', { retryAfter: result.retryAfter }));
  return refused('invalid_credentials', 'name, password or code is wrong');
}

/** Into the audit, as the operator's own act. */
export async function recordOwn({ stack, request }: Exchange, { name }: Account, act: Act): Promise<void> {
  await stack.trail.record(act, { id: `operator:${name}`, via: 'http', from: request.remoteAddress });
}
