import type { Clock } from '../core/clock.ts';
import type { LimitStore } from '../core/store.ts';
import { equalText } from '../crypto/compare.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { hashPassword, isPassword, scryptCost, type PasswordHash, type ScryptCost } from '../crypto/password-hash.ts';
import { randomSecret } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import { attemptGate, type AttemptResult } from '../policies/attempts.ts';
import { nameFault, type Account, type Accounts, type SecondFactor } from './account.ts';
import { withCodeUsed } from './second-factor.ts';

/**
 * Who somebody proved to be, or nothing more than that it was wrong. That a password was right whose code was not is for the audit:
 * whoever tries is told neither.
 */
export type LoginResult =
  | { readonly result: 'right'; readonly account: Account }
  | { readonly result: 'wrong'; readonly passwordWasRight: boolean }
  | { readonly result: 'limited'; readonly retryAfter: number; readonly passwordWasRight: boolean };

export interface Proof {
  readonly name: string;
  readonly password: string;
  /** Of the second factor; '' for none. */
  readonly code: string;
}

export interface Login {
  /** Takes as long for an unknown name as for a wrong password. A code that was right counts no more afterwards. */
  prove(proof: Proof, address: string): Promise<LoginResult>;
  /** The first login: the code counts once, and the password that the person chose is theirs from then on. */
  first(name: string, loginCode: string, password: string, address: string): Promise<LoginResult>;
  /** What is kept of a password that somebody chose. */
  hashed(password: string): Promise<PasswordHash>;
}

export interface LoginOptions {
  readonly accounts: Accounts;
  readonly limits: LimitStore;
  readonly clock: Clock;
  readonly seal: Seal;
  /** For tests, which need not be slow. */
  readonly cost?: ScryptCost;
}

/** Null: wrong. */
type Looked = Account | 'password only' | null;

function isAccount(looked: Looked): looked is Account {
  return looked !== null && looked !== 'password only';
}

const perAddress = { limit: 10, windowSeconds: 300 };
/** Guesses from many addresses at one account; those at others that happen to share its count are counted with them. */
const perAccount = { limit: 50, windowSeconds: 300 };
/** Codes behind a right password, until one was right: of the million that there are three count at any moment (RFC 6238 §5.2). */
const perSecondFactor = { limit: 20, windowSeconds: 86_400 };

export function login({ accounts, limits, clock, seal, cost = scryptCost }: LoginOptions): Login {
  const byAddress = attemptGate({ limits, clock, ...perAddress, secret: 'operator' });
  const byAccount = new Map<string, ReturnType<typeof attemptGate>>();
  // Nobody's: what an unknown name's password is compared with.
  const nobody: PasswordHash = {
    ...cost,
    salt: randomSecret(16).toString('base64url'),
    hash: randomSecret(32).toString('base64url'),
  };

  /** One of 256, so that names which do not exist need no memory and are limited alike. */
  function gateOf(name: string): ReturnType<typeof attemptGate> {
    const part = sha256Hex(name).slice(0, 2);
    let gate = byAccount.get(part);
    if (!gate) byAccount.set(part, (gate = attemptGate({ limits, clock, ...perAccount, secret: `operator-${part}` })));
    return gate;
  }

  /** `look` says whose proof it is; null when it is wrong. */
  async function limited(name: string, address: string, look: () => Promise<Looked>): Promise<LoginResult> {
    let looked: Looked = null;
    let inner: AttemptResult = { result: 'wrong' };
    const outer = await byAddress.attempt(address, async () => {
      inner = await gateOf(name).attempt('', async () => isAccount((looked = await look())));
      return inner.result === 'right';
    });
    if (isAccount(looked)) return { result: 'right', account: looked };
    const passwordWasRight = looked === 'password only';
    const limit = [outer, inner].find(({ result }) => result === 'limited');
    return limit?.result === 'limited' ? { ...limit, passwordWasRight } : { result: 'wrong', passwordWasRight };
  }

  async function known({ name, password, code }: Proof): Promise<Looked> {
    const found = (await accounts.get(name))?.account ?? null;
    const isRight = await isPassword(password, found?.password ?? nobody);
    if (!isRight || !found?.password || found.disabled) return null;
    if (!found.totp) return found;
    const { password: shown } = found;
    const accepted = code === '' || (await mayGuess(found, found.totp)) ? 'every code' : 'recovery codes';
    const proved = await accounts.change(name, (now) =>
      now.disabled || now.password?.hash !== shown.hash ? null : withCodeUsed(now, code, seal, clock(), accepted),
    );
    return proved ?? 'password only';
  }

  /**
   * Counted before the code is looked at, and apart for each that was right and each password: so nobody who knows the password
   * has many tries, and nobody who does not can use them up.
   */
  async function mayGuess({ name, epoch }: Account, { usedStep, recovery }: SecondFactor): Promise<boolean> {
    const key = `operator-code:${name}:${epoch}:${usedStep}:${recovery.length}`;
    const { limit, windowSeconds } = perSecondFactor;
    return (await limits.take(key, limit, windowSeconds, clock())).allowed;
  }

  return {
    prove: (proof, address) => limited(proof.name, address, () => known(proof)),
    first: (name, loginCode, password, address) =>
      limited(name, address, async () => {
        const digest = sha256Hex(loginCode);
        const isRight = ({ firstLogin, disabled }: Account): boolean =>
          !disabled && firstLogin !== null && firstLogin.expiresAt > clock() && equalText(firstLogin.digest, digest);
        const found = nameFault(name) === null ? await accounts.get(name) : null;
        if (!found || !isRight(found.account)) return null;
        const chosen = await hashPassword(password, cost);
        return accounts.change(name, (now) =>
          isRight(now) ? { ...now, password: chosen, firstLogin: null, epoch: now.epoch + 1 } : null,
        );
      }),
    hashed: (password) => hashPassword(password, cost),
  };
}
