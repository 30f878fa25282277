import type { Stack } from '../../compose/stack.ts';
import type { ScryptCost } from '../../crypto/password-hash.ts';
import { accounts, type Accounts } from '../../operators/account.ts';
import { login } from '../../operators/login.ts';
import { sessions, type Sessions } from '../../operators/sessions.ts';
import { watchedLogin, type WatchedLogin } from './failed-logins.ts';

/** The operators of a stack, as its authority knows them. */
export interface Operators {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly login: WatchedLogin;
}

export interface OperatorsOptions {
  /** How much a password costs to be looked at; for tests, which need not be slow. */
  readonly cost?: ScryptCost;
}

export function operatorsOf(stack: Stack, options: OperatorsOptions = {}): Operators {
  const { store, clock, seal, trail, config } = stack;
  const known = accounts({ records: store.records, clock });
  return {
    accounts: known,
    sessions: sessions({ records: store.records, clock, accounts: known, openidIssuer: config.openid?.issuer ?? null }),
    login: watchedLogin(login({ accounts: known, limits: store.limits, clock, seal, ...options }), {
      accounts: known,
      trail,
    }),
  };
}
