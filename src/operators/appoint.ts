import { sha256Hex } from '../crypto/digest.ts';
import { randomSecret } from '../crypto/random.ts';
import type { Account, Role } from './account.ts';

/** How long a code for the first login counts. */
const firstLoginSeconds = 24 * 3600;

export interface Appointed {
  readonly account: Account;
  /** 256 random bits, shown once. */
  readonly loginCode: string;
}

/** An account to which nobody can log in yet. */
export function newAccount(name: string, role: Role, now: number): Account {
  return {
    name,
    role,
    password: null,
    firstLogin: null,
    totp: null,
    totpOffered: null,
    disabled: false,
    epoch: 1,
    createdAt: now,
  };
}

/** An account whose person has yet to choose a password. */
export function appointed(name: string, role: Role, now: number): Appointed {
  return withLoginCode(newAccount(name, role, now), now);
}

/** Back to the first login: no password, no second factor, no session; not disabled. */
export function withLoginCode(account: Account, now: number): Appointed {
  const loginCode = randomSecret(32).toString('base64url');
  return {
    loginCode,
    account: {
      ...account,
      password: null,
      totp: null,
      totpOffered: null,
      disabled: false,
      firstLogin: { digest: sha256Hex(loginCode), expiresAt: now + firstLoginSeconds },
      epoch: account.epoch + 1,
    },
  };
}
