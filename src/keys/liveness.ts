import type { Clock } from '../core/clock.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { Principal } from '../core/verdict.ts';
import { messageOf } from '../core/message-of.ts';
import type { OwnIssuer } from './tokens/issued-tokens.ts';
import type { LiveKeyring } from './keyring/keyring.ts';
import type { Tokens } from './tokens/tokens.ts';

/** Ends what a dead credential left open: streams and sockets, within a second of revocation or expiry. */
export interface Liveness {
  /** Calls `onDead` once when the principal's credential expires or is revoked; returns how to stop watching. */
  track(principal: Principal, onDead: () => void): () => void;
  /**
   * How a credential that was right at `since`, epoch seconds, has ended by now; null while it lives. Rejects when the store has to be
   * asked, and is away.
   */
  faultOf(principal: Principal, since: number): MaybePromise<'expired' | 'revoked' | null>;
  close(): void;
}

export interface LivenessOptions {
  readonly keyring: LiveKeyring;
  readonly tokens: Tokens;
  /** The embedded authorization server; null for none. */
  readonly issued?: OwnIssuer | null;
  readonly clock: Clock;
  /** Client certificates that were revoked. */
  readonly certificates: { has(serial: string): boolean; onChange(listener: () => void): () => void };
}

interface Tracked {
  readonly principal: Principal;
  readonly onDead: () => void;
  /** When its credential was right, epoch seconds. */
  readonly since: number;
}

const sweepMillis = 250;
/** What lasts is tracked a while after its verdict. */
const trackedLateSeconds = 1;

export function liveness({ keyring, tokens, issued = null, clock, certificates }: LivenessOptions): Liveness {
  const all = new Set<Tracked>();
  const byToken = new Map<string, Set<Tracked>>();
  /** Tokens whose life is in doubt until the store has answered. */
  const doubted = new Set<string>();
  let asking = false;
  let soonest = Infinity;
  let sweeper: NodeJS.Timeout | null = null;

  function end(tracked: Tracked): void {
    if (!all.has(tracked)) return;
    forget(tracked);
    try {
      tracked.onDead();
    } catch (error) {
      // One stream that cannot be closed must not keep the others open.
      process.emitWarning(`closing a stream failed: ${messageOf(error)}`);
    }
  }

  function isRevokedCertificate({ scheme, credentialId }: Principal): boolean {
    return scheme === 'client-certificate' && certificates.has(credentialId);
  }

  function forget(tracked: Tracked): void {
    all.delete(tracked);
    const tokenId = tokenIdOf(tracked.principal);
    const siblings = tokenId === null ? undefined : byToken.get(tokenId);
    siblings?.delete(tracked);
    if (tokenId !== null && siblings?.size === 0) byToken.delete(tokenId);
    if (all.size > 0 || !sweeper) return;
    clearInterval(sweeper);
    sweeper = null;
    soonest = Infinity;
  }

  /** The end of a key may have been moved since it opened the stream: a rotation does that. */
  function endOf(principal: Principal): number {
    return (isKey(principal) ? keyring.endOf(principal) : principal.expiresAt) ?? Infinity;
  }

  /** Costs a comparison until something is due. */
  function sweep(): void {
    void settleDoubts();
    const now = clock();
    if (now < soonest) return;
    soonest = Infinity;
    for (const tracked of all) {
      const endsAt = endOf(tracked.principal);
      if (endsAt <= now) end(tracked);
      else soonest = Math.min(soonest, endsAt);
    }
  }

  /** What the store cannot answer now is asked again at the next sweep. */
  async function settleDoubts(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      for (const tokenId of doubted) {
        if (byToken.has(tokenId)) {
          // Settled before the question: a change that arrives during it raises the doubt again.
          doubted.delete(tokenId);
          const record = await asked(tokenId);
          if (record && record.revokedAt === null) continue;
          for (const tracked of byToken.get(tokenId) ?? []) end(tracked);
        } else doubted.delete(tokenId);
      }
    } catch {
      // Nothing is closed on a guess.
    } finally {
      asking = false;
    }
  }

  async function asked(tokenId: string): ReturnType<Tokens['get']> {
    try {
      return await tokens.get(tokenId);
    } catch (error) {
      doubted.add(tokenId);
      throw error;
    }
  }

  const stopKeys = keyring.onChange(() => {
    for (const tracked of all) {
      if (!isKey(tracked.principal)) continue;
      if (keyring.holds(tracked.principal)) soonest = Math.min(soonest, endOf(tracked.principal));
      else end(tracked);
    }
  });
  const stopCertificates = certificates.onChange(() => {
    for (const tracked of all) if (isRevokedCertificate(tracked.principal)) end(tracked);
  });
  const stopTokens = tokens.onChange((tokenId) => {
    for (const id of tokenId === null ? byToken.keys() : [tokenId]) if (byToken.has(id)) doubted.add(id);
    void settleDoubts();
  });

  const stopIssued = issued?.onTakenBack(() => {
    for (const tracked of all) if (isTakenBack(tracked)) end(tracked);
  });

  /** By what memory knows; of a session token that is nothing. */
  function isRevoked(tracked: Pick<Tracked, 'principal' | 'since'>): boolean {
    const { principal } = tracked;
    return isTakenBack(tracked) || (isKey(principal) && !keyring.holds(principal)) || isRevokedCertificate(principal);
  }

  /** Whether the embedded authorization server took an access token back; of others' tokens nothing is heard. */
  function isTakenBack({ principal, since }: Pick<Tracked, 'principal' | 'since'>): boolean {
    if (principal.scheme !== 'oauth' || issued === null) return false;
    if (since <= issued.withdrawnAt) return true;
    const clientId = principal.id.slice('client:'.length);
    // What is taken back is so for a minute longer, and so late its news may come; before that it was about an earlier login.
    return issued.isRevoked({ tokenId: principal.credentialId, clientId, issuedAt: since });
  }

  return {
    track(principal, onDead) {
      const tracked: Tracked = { principal, onDead, since: clock() - trackedLateSeconds };
      all.add(tracked);
      soonest = Math.min(soonest, endOf(principal));
      if (!sweeper) {
        sweeper = setInterval(sweep, sweepMillis);
        sweeper.unref();
      }
      const tokenId = tokenIdOf(principal);
      if (tokenId !== null) {
        const siblings = byToken.get(tokenId);
        if (siblings) siblings.add(tracked);
        else byToken.set(tokenId, new Set([tracked]));
        // It may have been revoked between the verdict and now.
        if (!tokens.remembers(principal)) doubted.add(tokenId);
        if (doubted.size > 0) queueMicrotask(() => void settleDoubts());
      } else if (isRevoked(tracked)) queueMicrotask(() => end(tracked));
      return () => forget(tracked);
    },
    faultOf(principal, since) {
      if (endOf(principal) <= clock()) return 'expired';
      const tokenId = tokenIdOf(principal);
      if (tokenId === null) return isRevoked({ principal, since }) ? 'revoked' : null;
      if (tokens.remembers(principal)) return null;
      return tokens.get(tokenId).then((record) => (record?.revokedAt === null ? null : 'revoked'));
    },
    close() {
      stopKeys();
      stopTokens();
      stopIssued?.();
      stopCertificates();
      if (sweeper) clearInterval(sweeper);
      sweeper = null;
      all.clear();
      byToken.clear();
      doubted.clear();
    },
  };
}

function tokenIdOf(principal: Principal): string | null {
  return principal.id.startsWith('token:') ? principal.credentialId : null;
}

/** Operators' credentials and certificates are no keys: they end where they say so. */
function isKey(principal: Principal): boolean {
  if (principal.scheme === 'client-certificate') return false;
  return principal.id.startsWith('service:') || principal.id.startsWith('holder:');
}
