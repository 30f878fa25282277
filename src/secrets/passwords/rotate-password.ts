import { randomBase62 } from '../../crypto/random.ts';
import { PasswordError, type PasswordServer, type PasswordSession } from './password-server.ts';
import { messageOf } from '../../core/message-of.ts';

/** Where passwords are kept. */
export interface PasswordVault {
  read(name: string): string | null;
  /** All of it is kept, or none; null takes one out. */
  write(changes: Readonly<Record<string, string | null>>): void;
}

export interface PasswordRotation {
  readonly server: PasswordServer;
  readonly vault: PasswordVault;
  /** The account's secret in the vault: 'postgres_password'. */
  readonly secret: string;
  /** What counts now, where the vault does not know it yet. */
  readonly given: string | null;
  /** The secret of another account that makes the change; null: the account changes its own. */
  readonly loginSecret: string | null;
  readonly dryRun: boolean;
  /** Told when the new password counts and is in its place in the vault. What comes after that may still fail. */
  readonly onRotated?: (how: Pick<PasswordRotated, 'resumed'>) => void;
}

export interface PasswordRotated {
  /** True when an earlier rotation was broken off and is now completed. */
  readonly resumed: boolean;
  /** What the operator must still do, or null. */
  readonly remaining: string | null;
}

/** 43 characters of 62 hold 256 bits. What stands behind them adds none: rules about passwords ask for one of each kind. */
const newPassword = (): string => `${randomBase62(43)}-Aa1`;

/**
 * New password into the vault as pending, onto the server, tested by a login, and only then into its place. Broken off at any
 * step, the vault holds every password that the server may have, and the next rotation completes or discards the pending one.
 */
export async function rotatePassword(rotation: PasswordRotation): Promise<PasswordRotated> {
  const { server, vault, secret, dryRun } = rotation;
  const pending = vault.read(pendingOf(secret));
  const open = await server.accepts(newPassword());
  if (pending !== null && !open && (await server.accepts(pending)))
    return dryRun ? { resumed: true, remaining: null } : complete(rotation, pending);
  const current = await currentPassword(rotation, open);
  if (dryRun) return { resumed: false, remaining: null };
  const session = await openSession(rotation, current);
  try {
    const next = newPassword();
    // The one that counts as well, where it was only given: whatever happens, the vault has it.
    vault.write({ ...(current === null ? {} : { [secret]: current }), [pendingOf(secret)]: next });
    await change(rotation, session, next, current);
    rotation.onRotated?.({ resumed: false });
    const remaining = await session.finish(next);
    if (current !== null) await mustBeDead(server, current);
    return { resumed: false, remaining };
  } finally {
    await session.close();
  }
}

function pendingOf(secret: string): string {
  return `${secret}_next`;
}

/** Null: the account has no password yet. */
async function currentPassword(rotation: PasswordRotation, open: boolean): Promise<string | null> {
  const { server, vault, secret, given } = rotation;
  if (open) {
    if (await server.accepts(null)) return null;
    throw new PasswordError(
      'any_password',
      `${server.name} takes any password from here, so no login proves anything; nothing was changed`,
    );
  }
  const current = vault.read(secret) ?? given;
  if (current === null)
    throw new PasswordError(
      'login_refused',
      `the bundle has no ${secret}, and the password that counts now was not given`,
    );
  if (!(await server.accepts(current)))
    throw new PasswordError(
      'login_refused',
      `${server.name} does not accept the password that it should have; nothing was changed`,
    );
  return current;
}

function openSession(
  { server, vault, loginSecret }: PasswordRotation,
  current: string | null,
): Promise<PasswordSession> {
  if (loginSecret === null) return server.open(current);
  const password = vault.read(loginSecret);
  if (password === null) throw new PasswordError('login_refused', `the bundle has no ${loginSecret}`);
  return server.open(password);
}

/** Ends with the new password on the server and in its place in the vault, or with neither. */
async function change(
  rotation: PasswordRotation,
  session: PasswordSession,
  next: string,
  current: string | null,
): Promise<void> {
  const { server, vault, secret } = rotation;
  try {
    await session.set(next);
    if (!(await server.accepts(next)))
      throw new PasswordError('password_not_changed', `${server.name} does not accept the new password`);
    vault.write({ [secret]: next, [pendingOf(secret)]: null });
  } catch (error) {
    await takeBack(rotation, session, next, current, error);
  }
}

async function takeBack(
  { server, vault, secret }: PasswordRotation,
  session: PasswordSession,
  next: string,
  current: string | null,
  cause: unknown,
): Promise<never> {
  const why = messageOf(cause);
  try {
    await session.takeBack(next, current);
    if (!(await server.accepts(current)))
      throw new PasswordError('password_not_changed', 'the old password is refused');
  } catch (error) {
    const second = messageOf(error);
    throw new PasswordError(
      'password_not_changed',
      `${why}; and it could not be taken back (${second}). The new password is in the bundle as ${pendingOf(secret)}; try again`,
    );
  }
  // Taken back on the server, so it is of no more use.
  vault.write({ [pendingOf(secret)]: null });
  throw new PasswordError('password_not_changed', `${why}; it was taken back, and the old password counts`);
}

/** The pending password counts already: an earlier rotation was broken off after it reached the server. */
async function complete(rotation: PasswordRotation, pending: string): Promise<PasswordRotated> {
  const { vault, secret, server } = rotation;
  const before = vault.read(secret);
  const session = await openSession(rotation, pending);
  try {
    vault.write({ [secret]: pending, [pendingOf(secret)]: null });
    rotation.onRotated?.({ resumed: true });
    const remaining = await session.finish(pending);
    if (before !== null) await mustBeDead(server, before);
    return { resumed: true, remaining };
  } finally {
    await session.close();
  }
}

async function mustBeDead(server: PasswordServer, old: string): Promise<void> {
  if (await server.accepts(old))
    throw new PasswordError(
      'password_not_changed',
      `the new password counts and is in the bundle, but ${server.name} still accepts the old one`,
    );
}
