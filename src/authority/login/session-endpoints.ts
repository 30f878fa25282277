import { z } from 'zod';
import type { Act } from '../../core/event.ts';
import { rfc3339 } from '../../core/clock.ts';
import { hasCode } from '../../core/store.ts';
import { deny } from '../../core/verdict.ts';
import type { Account } from '../../operators/account.ts';
import type { LoginResult } from '../../operators/login.ts';
import { passwordFault } from '../../operators/password-rules.ts';
import { newRecoveryCodes, withEnrolment, withOffer, withoutSecondFactor } from '../../operators/second-factor.ts';
import type { OpenSession } from '../../operators/sessions.ts';
import { behindBody } from '../body.ts';
import type { Exchange, Handler } from '../exchange.ts';
import { confirmFault, pageFault, sessionOf } from './operator-caller.ts';
import type { Operators } from './operators.ts';
import { readBody } from '../read-body.ts';
import { refusalReply, success, type Reply } from '../reply.ts';
import type { Endpoints } from '../router.ts';
import { sessionCookieLine } from './session-cookie.ts';
import { isRefused, refused, refusedBy, type Refused } from '../refused.ts';

const text = (max: number) => z.string({ error: 'must be a string' }).max(max, { error: `is at most ${max} long` });
const secret = text(1024);
const code = text(64).default('');
const loginSchema = z.strictObject({ name: text(64), password: secret, code });
const firstSchema = z.strictObject({ name: text(64), login_code: text(128), password: secret });
const confirmSchema = z.strictObject({ password: secret, code });
const passwordSchema = z.strictObject({ password: secret, code, new_password: secret });
const codeSchema = z.strictObject({ code: text(64) });

/** An operator's own session, below /admin/api/session. */
export function sessionEndpoints(operators: Operators): Endpoints {
  const { accounts, sessions, login } = operators;

  /** A session of one who has just proved who they are: always under a new token, whatever cookie came along. */
  async function opened(exchange: Exchange, result: LoginResult): Promise<Reply> {
    if (result.result !== 'right') return refusalReply(unproven(result));
    const session = await sessions.open(result.account);
    await record(exchange, session.account, { type: 'operator.logged_in', subject: session.account.name });
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

  async function confirm(exchange: Exchange, session: OpenSession): Promise<Reply | Refused> {
    const body = await readBody(exchange, confirmSchema);
    if (isRefused(body)) return body;
    const account = await proved(exchange, session, body);
    return isRefused(account) ? account : sessionReply(exchange, await sessions.renew(session, account));
  }

  async function choose(exchange: Exchange, session: OpenSession): Promise<Reply | Refused> {
    const body = await readBody(exchange, passwordSchema);
    if (isRefused(body)) return body;
    const fault = passwordFault(body.new_password, session.account.name);
    if (fault !== null) return refused('bad_request', fault);
    const account = await proved(exchange, session, body);
    if (isRefused(account)) return account;
    const password = await login.hashed(body.new_password);
    return changed(exchange, session, { type: 'operator.password_changed' }, (now) => ({
      ...now,
      password,
      epoch: now.epoch + 1,
    }));
  }

  /** By the password of the session's own account, and a code where it has a second factor. */
  async function proved(
    exchange: Exchange,
    { account: { name } }: OpenSession,
    shown: z.infer<typeof confirmSchema>,
  ): Promise<Account | Refused> {
    const proof = { name, password: shown.password, code: shown.code };
    const result = await login.prove(proof, exchange.request.remoteAddress);
    return result.result === 'right' ? result.account : unproven(result);
  }

  async function offer(exchange: Exchange, session: OpenSession): Promise<Reply | Refused> {
    const { stack } = exchange;
    const fault = confirmFault(session, stack.clock());
    if (fault) return fault;
    const offered = withOffer(session.account, stack.seal, stack.config.name);
    const { totpOffered } = offered.account;
    await accounts.change(session.account.name, (now) => ({ ...now, totpOffered }));
    return success(200, { secret: offered.secret, otpauth_uri: offered.uri });
  }

  async function enrol(exchange: Exchange, session: OpenSession): Promise<Reply | Refused> {
    const body = await readBody(exchange, codeSchema);
    if (isRefused(body)) return body;
    const { stack } = exchange;
    const codes = newRecoveryCodes();
    const enrolled = (now: Account) => withEnrolment(now, body.code, codes, stack.seal, stack.clock());
    // What was offered stays, so that whoever mistyped need not scan again.
    const offered = (await accounts.get(session.account.name))?.account;
    if (offered && offered.totpOffered !== null && !enrolled(offered))
      return refused(
        'bad_request',
        'the code is wrong: type the one that is shown now, and see that its clock is right',
      );
    return changed(exchange, session, { type: 'operator.second_factor_added' }, enrolled, codes);
  }

  async function removeFactor(exchange: Exchange, session: OpenSession): Promise<Reply | Refused> {
    const fault = confirmFault(session, exchange.stack.clock());
    if (fault) return fault;
    return changed(exchange, session, { type: 'operator.second_factor_removed' }, withoutSecondFactor);
  }

  /** Everybody who was logged in as this operator is out; the one who changed it goes on under a new token. */
  async function changed(
    exchange: Exchange,
    session: OpenSession,
    act: Omit<Act, 'subject'>,
    change: (account: Account) => Account | null,
    recoveryCodes?: readonly string[],
  ): Promise<Reply | Refused> {
    const { name, epoch } = session.account;
    const account = await accounts.change(name, (now) => (now.epoch === epoch ? change(now) : null));
    if (!account) return refused('bad_request', 'that did not fit: begin again');
    await record(exchange, account, { ...act, subject: name });
    return sessionReply(exchange, await sessions.renew(session, account), recoveryCodes);
  }

  async function end(exchange: Exchange, session: OpenSession): Promise<Reply> {
    await sessions.close(session.token);
    return withCookie(exchange, null, success(200, {}));
  }

  async function endAll(exchange: Exchange, session: OpenSession): Promise<Reply> {
    const { name } = session.account;
    await accounts.change(name, (now) => ({ ...now, epoch: now.epoch + 1 }));
    await record(exchange, session.account, { type: 'operator.logged_out_everywhere', subject: name });
    return withCookie(exchange, null, success(200, {}));
  }

  /** Of whoever logs in elsewhere neither password nor second factor is ours. */
  function local(work: (exchange: Exchange, session: OpenSession) => Promise<Reply | Refused>): Handler {
    return own(async (exchange, session) =>
      session.account.openid === undefined
        ? work(exchange, session)
        : refused('bad_request', 'you log in at your provider: this is done there'),
    );
  }

  function own(work: (exchange: Exchange, session: OpenSession) => Promise<Reply | Refused>): Handler {
    return awaited(async (exchange) => {
      const judged = () => sessionOf(exchange, operators);
      const session = await (exchange.method === 'GET' ? judged() : behindBody(exchange, judged));
      return isRefused(session) ? session : work(exchange, session);
    });
  }

  return {
    '/admin/api/session': {
      GET: own(async (exchange, session) => sessionReply(exchange, session)),
      POST: awaited(start),
      DELETE: own(end),
    },
    '/admin/api/sessions': { DELETE: own(endAll) },
    '/admin/api/session/first': { POST: awaited(first) },
    '/admin/api/session/confirm': { POST: local(confirm) },
    '/admin/api/session/password': { PUT: local(choose) },
    '/admin/api/session/totp': { POST: local(offer), PUT: local(enrol), DELETE: local(removeFactor) },
  };
}

function awaited(work: (exchange: Exchange) => Promise<Reply | Refused>): Handler {
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

async function pageBody<T extends z.ZodType>(exchange: Exchange, schema: T): Promise<z.infer<T> | Refused> {
  return pageFault(exchange) ?? readBody(exchange, schema);
}

/** The same for a wrong name, password and code. */
function unproven(result: Exclude<LoginResult, { result: 'right' }>): Refused {
  if (result.result === 'limited')
    return refusedBy(deny('rate_limited', 'too many wrong logins', { retryAfter: result.retryAfter }));
  return refused('invalid_credentials', 'name, password or code is wrong');
}

async function record({ stack, request }: Exchange, { name }: Account, act: Act): Promise<void> {
  await stack.trail.record(act, { id: `operator:${name}`, via: 'http', from: request.remoteAddress });
}

function sessionReply(exchange: Exchange, session: OpenSession, recoveryCodes?: readonly string[]): Reply {
  const { account, csrf, confirmedUntil, expiresAt } = session;
  const data = {
    operator: {
      name: account.name,
      role: account.role,
      totp: account.totp !== null,
      openid: account.openid !== undefined,
      recovery_codes_left: account.totp?.recovery.length ?? 0,
    },
    csrf,
    confirmed_until: rfc3339(confirmedUntil),
    expires_at: rfc3339(expiresAt),
    ...(recoveryCodes && { recovery_codes: recoveryCodes }),
  };
  return withCookie(exchange, session.token, success(200, data));
}

function withCookie(exchange: Exchange, token: string | null, reply: Reply): Reply {
  return { ...reply, headers: { ...reply.headers, 'set-cookie': sessionCookieLine(exchange, token) } };
}
