import { z } from 'zod';
import type { Act } from '../../core/event.ts';
import type { Account } from '../../operators/account.ts';
import { passwordFault } from '../../operators/password-rules.ts';
import { newRecoveryCodes, withEnrolment, withOffer, withoutSecondFactor } from '../../operators/second-factor.ts';
import type { OpenSession } from '../../operators/sessions.ts';
import type { Exchange, Handler } from '../exchange.ts';
import { readBody } from '../read-body.ts';
import { isRefused, refused, type Refused } from '../refused.ts';
import { success, type Reply } from '../reply.ts';
import type { Endpoints } from '../router.ts';
import { confirmFault } from './operator-caller.ts';
import type { Operators } from './operators.ts';
import { own, recordOwn, unproven, type OwnWork } from './own-session.ts';
import { loginCode, secretText } from './proof-shape.ts';
import { sessionReply } from './session-reply.ts';

const confirmSchema = z.strictObject({ password: secretText, code: loginCode.default('') });
const passwordSchema = z.strictObject({ password: secretText, code: loginCode.default(''), new_password: secretText });
const codeSchema = z.strictObject({ code: loginCode });

/** What operators do about their own account: they show their password once more, change it, and have a second factor. */
export function accountEndpoints(operators: Operators): Endpoints {
  const { accounts, sessions, login } = operators;

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
    await recordOwn(exchange, account, { ...act, subject: name });
    return sessionReply(exchange, await sessions.renew(session, account), recoveryCodes);
  }

  /** Of whoever logs in elsewhere neither password nor second factor is ours. */
  function local(work: OwnWork): Handler {
    return own(operators, async (exchange, session) =>
      session.account.openid === undefined
        ? work(exchange, session)
        : refused('bad_request', 'you log in at your provider: this is done there'),
    );
  }

  return {
    '/admin/api/session/confirm': { POST: local(confirm) },
    '/admin/api/session/password': { PUT: local(choose) },
    '/admin/api/session/totp': { POST: local(offer), PUT: local(enrol), DELETE: local(removeFactor) },
  };
}
