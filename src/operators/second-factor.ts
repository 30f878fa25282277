import { sha256Hex } from '../crypto/digest.ts';
import { randomBase62, randomSecret } from '../crypto/random.ts';
import type { Seal, SealedRecords } from '../crypto/seal.ts';
import { toBase32, totpStep } from '../crypto/totp.ts';
import { operatorKind, type Account, type SecondFactor } from './account.ts';

const recoveryCodes = 10;
/** 95 bits: nothing that is guessed, so a plain digest keeps it. */
const recoveryLength = 16;

export interface Offered {
  readonly account: Account;
  /** Base32. */
  readonly secret: string;
  /** What authenticators scan. */
  readonly uri: string;
}

/** A secret to be scanned; it counts once a code of it was shown. */
export function withOffer(account: Account, seal: Seal, stackName: string): Offered {
  const bytes = randomSecret(20);
  const sealed = seal.seal(bytes.toString('base64url'), contextOf(account));
  const secret = toBase32(bytes);
  const [issuer, label] = [encodeURIComponent(`Countersign ${stackName}`), encodeURIComponent(account.name)];
  const uri = `otpauth://totp/${issuer}:${label}?secret=${secret}&issuer=${issuer}&algorithm=SHA1&digits=6&period=30`;
  return { account: { ...account, totpOffered: sealed }, secret, uri };
}

/** Null where nothing was offered or the code is not of it. Whoever was logged in elsewhere is out. */
export function withEnrolment(account: Account, code: string, recovery: readonly string[], seal: Seal, now: number) {
  const sealed = account.totpOffered;
  const step = sealed === null ? null : totpStep(secretOf(account, sealed, seal), code, now);
  if (sealed === null || step === null) return null;
  const totp: SecondFactor = { sealed, usedStep: step, recovery: recovery.map(recoveryDigest) };
  return { ...account, totp, totpOffered: null, epoch: account.epoch + 1 } satisfies Account;
}

export function withoutSecondFactor(account: Account): Account {
  return { ...account, totp: null, totpOffered: null, epoch: account.epoch + 1 };
}

/** Each is shown once and counts once. */
export function newRecoveryCodes(): readonly string[] {
  return Array.from({ length: recoveryCodes }, () => randomBase62(recoveryLength));
}

/** The account with this code used up; null when it is wrong, was used before, or is none of those that are accepted. */
export function withCodeUsed(
  account: Account,
  code: string,
  seal: Seal,
  now: number,
  accepted: 'every code' | 'recovery codes',
): Account | null {
  const { totp } = account;
  if (!totp) return null;
  const shown = code.trim();
  const step = accepted === 'every code' ? totpStep(secretOf(account, totp.sealed, seal), shown, now) : null;
  // RFC 6238 §5.2: a code counts once, and none before it afterwards.
  if (step !== null) return step > totp.usedStep ? { ...account, totp: { ...totp, usedStep: step } } : null;
  const digest = recoveryDigest(shown);
  if (!totp.recovery.includes(digest)) return null;
  return { ...account, totp: { ...totp, recovery: totp.recovery.filter((kept) => kept !== digest) } };
}

function recoveryDigest(code: string): string {
  return sha256Hex(`recovery:${code}`);
}

function secretOf(account: Account, sealed: string, seal: Seal): Buffer {
  return Buffer.from(seal.open(sealed, contextOf(account)), 'base64url');
}

export const sealedSecondFactors: SealedRecords = {
  kind: operatorKind,
  places: [['totp', 'sealed'], ['totpOffered']],
  context: (name) => contextOf({ name }),
};

function contextOf({ name }: Pick<Account, 'name'>) {
  return { id: name, service: 'operators', kind: 'totp' };
}
