import { z } from 'zod';
import type { LoginResult } from '../../operators/login.ts';
import { passwordFault } from '../../operators/password-rules.ts';
import type { OpenSession } from '../../operators/sessions.ts';
import type { Exchange } from '../exchange.ts';
import { readBody } from '../read-body.ts';
import { isRefused, refused, type Refused } from '../refused.ts';
import { refusalReply, type Reply } from '../reply.ts';
import type { Endpoints } from '../router.ts';
import { pageFault } from './operator-caller.ts';
import type { Operators } from './operators.ts';
import { awaited, own, recordOwn, unproven } from './own-session.ts';
import { loginCode, secretText, typed } from './proof-shape.ts';
import { endedReply, sessionReply } from './session-reply.ts';

const loginSchema = z.strictObject({ name: typed(64), password: secretText, code: loginCode.default('') });
const firstSchema = z.strictObject({ name: typed(64), login_code: typed(128), password: secretText });

/** How an operator's session begins and ends, below /admin/api/session. */
export function sessionEndpoints(operators: Operators): Endpoints {
  const { accounts, sessions, login } = operators;

  /** A session of one who has just proved who they are: always under a new token, whatever cookie came along. */
  async function opened(exchange: Exchange, result: LoginResult): Promise<Reply> {
    if (result.result !== 'right') return refusalReply(unproven(result));
    const session = await sessions.open(result.account);
    await recordOwn(exchange, session.account, { type: 'operator.logged_in', subject: session.account.name });
    return sessionReply(exchange, session);
  }

  async function start(exchange: Exchange): Promise<Reply> {
    const body = await pageBody(exchange, loginSchema);
    if (isRefused(body)) return refusalReply(body);
    return opened(exchange, await login.prove(body, exchange.request.remoteAddress));
  }

  async function first(exchange: Exchange): Promise<Reply> {
    const body = await pageBody(exchange, firstSchema);
    if (isRefused(body)) return refusalReply(body);
    const fault = passwordFault(body.password, body.name);
    if (fault !== null) return refusalReply(refused('bad_request', fault));
    const { remoteAddress } = exchange.request;
    return opened(exchange, await login.first(body.name, body.login_code, body.password, remoteAddress));
  }

  async function end(exchange: Exchange, session: OpenSession): Promise<Reply> {
    await sessions.close(session.token);
    return endedReply(exchange);
  }

  async function endAll(exchange: Exchange, session: OpenSession): Promise<Reply> {
    const { name } = session.account;
    await accounts.change(name, (now) => ({ ...now, epoch: now.epoch + 1 }));
    await recordOwn(exchange, session.account, { type: 'operator.logged_out_everywhere', subject: name });
    return endedReply(exchange);
  }

  return {
    '/admin/api/session': {
      GET: own(operators, async (exchange, session) => sessionReply(exchange, session)),
      POST: awaited(start),
      DELETE: own(operators, end),
    },
    '/admin/api/sessions': { DELETE: own(operators, endAll) },
    '/admin/api/session/first': { POST: awaited(first) },
  };
}

async function pageBody<T extends z.ZodType>(exchange: Exchange, schema: T): Promise<z.infer<T> | Refused> {
  return pageFault(exchange) ?? readBody(exchange, schema);
}
