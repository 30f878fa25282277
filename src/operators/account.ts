import type { Clock } from '../core/clock.ts';
import { everyRecord, type RecordStore, type StoredRecord } from '../core/record.ts';
import type { PasswordHash } from '../crypto/password-hash.ts';

export const ROLES = ['viewer', 'operator'] as const;
/** A viewer reads, an operator acts. */
export type Role = (typeof ROLES)[number];

/** An operator of the dashboard. Of no secret more is kept than is needed to know it again. */
export interface Account {
  readonly name: string;
  readonly role: Role;
  /** Null until the person has chosen one. */
  readonly password: PasswordHash | null;
  /** The code for the first login, which counts once. */
  readonly firstLogin: { readonly digest: string; readonly expiresAt: number } | null;
  readonly totp: SecondFactor | null;
  /** One that was shown to be scanned and does not count yet, sealed. */
  readonly totpOffered: string | null;
  readonly disabled: boolean;
  /** Sessions that were opened in an earlier epoch are over. */
  readonly epoch: number;
  readonly createdAt: number;
  /** Of somebody who logs in at an OpenID provider, and never here. */
  readonly openid?: OpenidIdentity;
}

/** What a provider never gives to anybody else (OpenID Connect Core §2). */
export interface OpenidIdentity {
  readonly issuer: string;
  /** Null after a reset: it is whoever comes next under this name. */
  readonly subject: string | null;
}

export interface SecondFactor {
  /** Sealed base64url. */
  readonly sealed: string;
  /** Codes up to this step were used. */
  readonly usedStep: number;
  /** SHA-256, hexadecimal. */
  readonly recovery: readonly string[];
}

export interface StoredAccount {
  readonly account: Account;
  readonly revision: string;
}

export interface Accounts {
  get(name: string): Promise<StoredAccount | null>;
  list(): Promise<readonly Account[]>;
  /** Null when there is one of this name already. */
  add(account: Account): Promise<StoredAccount | null>;
  /**
   * Writes what `change` makes of the account as it is; null from `change` leaves it, and is what is then resolved to, as for an
   * account that is not there. `change` may be called again when somebody else was faster.
   */
  change(name: string, change: (account: Account) => Account | null): Promise<Account | null>;
}

/** Of the records. */
export const operatorKind = 'operator';
const attemptsMax = 20;
const namePattern = /^[a-z][a-z0-9._-]{0,63}$/;
/** Who these are is settled: the holders of the admin token and of the override token, and whoever mints by command. */
const reserved: ReadonlySet<string> = new Set(['admin', 'break-glass', 'cli']);

export class AccountError extends Error {
  readonly code: 'account_name' | 'account_busy';
  constructor(code: 'account_name' | 'account_busy', message: string) {
    super(message);
    this.name = 'AccountError';
    this.code = code;
  }
}

/** What is wrong with a name that is chosen for an account here. */
export function nameFault(name: string): string | null {
  if (!namePattern.test(name))
    return 'a name has 1 to 64 lower-case letters, digits, ".", "_" and "-", and begins with a letter';
  return reserved.has(name) ? `the name ${name} belongs to whoever holds a token or types commands` : null;
}

const openidPattern = /^openid:[A-Za-z0-9][A-Za-z0-9@._+|=~-]{0,127}$/;

/** The account of somebody from a provider. No name that is chosen here has a colon, so neither can take the other's place. */
export function isOpenidName(name: string): boolean {
  return openidPattern.test(name);
}

/** Whether somebody with this account may be logged in: not shut, and of the provider in force where one vouches for it. */
export function isOpen({ disabled, openid }: Account, openidIssuer: string | null): boolean {
  return !disabled && (openid === undefined || openid.issuer === openidIssuer);
}

/** What a login elsewhere stands on, and falls with: sessions here are held to the epoch itself. */
export function standingOf({ epoch }: Pick<Account, 'epoch'>): string {
  return String(epoch);
}

export function accounts({ records, clock }: { readonly records: RecordStore; readonly clock: Clock }): Accounts {
  async function get(name: string): Promise<StoredAccount | null> {
    if (nameFault(name) !== null && !isOpenidName(name)) return null;
    return accountOf(await records.get(operatorKind, name, clock()));
  }

  function put(account: Account, expected: string | null): Promise<StoredRecord | null> {
    const value = JSON.parse(JSON.stringify(account)) as StoredRecord['value'];
    return records.put({ kind: operatorKind, id: account.name, value, expiresAt: null }, expected, clock());
  }

  return {
    get,
    async list() {
      const found = await everyRecord(records, operatorKind, clock());
      return found.flatMap((record) => accountOf(record)?.account ?? []);
    },
    async add(account) {
      const isElsewhere = account.openid !== undefined;
      const fault = isElsewhere ? (isOpenidName(account.name) ? null : 'no such name') : nameFault(account.name);
      if (fault !== null) throw new AccountError('account_name', fault);
      return accountOf(await put(account, null));
    },
    async change(name, change) {
      for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
        const found = await get(name);
        const next = found && change(found.account);
        if (!found || !next) return null;
        if (await put(next, found.revision)) return next;
      }
      throw new AccountError('account_busy', `others kept changing the account ${name}`);
    },
  };
}

function accountOf(record: StoredRecord | null): StoredAccount | null {
  return record && { account: record.value as unknown as Account, revision: record.revision };
}
