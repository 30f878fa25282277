import { prover, type RequestToProve } from '../../client/credential.ts';
import { systemClock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { createKey } from '../../keys/create.ts';
import { tokens } from '../../keys/tokens/tokens.ts';
import type { Target } from './plan.ts';

/** One way to prove oneself on a route. */
export interface Proof {
  /** 'Bearer', 'x-api-key', 'service-signature', 'http-signature' or 'session token'. */
  readonly form: string;
  headers(request: RequestToProve): Promise<Record<string, string>>;
}

/** Right credentials for every route that is tried. */
export interface Credentials {
  /** Empty with a reason where none can be had. */
  for(target: Target): Promise<{ readonly proofs: readonly Proof[]; readonly why: string | null }>;
  /** A running server hears of what was made within a moment, so the first answers to it may be too early. */
  readonly fresh: boolean;
  /** Ends whatever was made; safe at any time, and again. */
  close(): Promise<void>;
}

/** Long enough for the slowest probe; the key dies by itself where the probe could not end it. */
const lifeSeconds = 600;

/** For routes that any caller may use. */
const anybody = 'countersign-probe';

/** Makes keys that live for minutes, each for a caller that the route admits, and ends them at the close. */
export function mintedCredentials(store: Store, seal: Seal): Credentials {
  const keys = new Map<string, Promise<string>>();
  const ends: (() => Promise<unknown>)[] = [];
  let closed = false;

  function once(name: string, make: () => Promise<string>): Promise<string> {
    let key = keys.get(name);
    if (!key) keys.set(name, (key = make()));
    return key;
  }

  function keyOf(service: string, kind: 'sk' | 'hs', scopes: readonly string[]): Promise<string> {
    return once(`${kind} ${service} ${scopes.join(' ')}`, async () => {
      if (closed) throw new Error('the probe has ended');
      const now = systemClock();
      const { record, key } = await createKey(store, seal, {
        service,
        kind,
        scopes,
        expiresAt: now + lifeSeconds,
        now,
      });
      ends.push(() => store.keys.revoke(record.id, systemClock()));
      return key;
    });
  }

  function token(scopes: readonly string[]): Promise<string> {
    return once(`st ${scopes.join(' ')}`, async () => {
      const life = tokens({ store, clock: systemClock });
      try {
        const { token: text, record } = await life.mint({
          ttlSeconds: lifeSeconds,
          scopes,
          allowedIps: [],
          clientId: anybody,
          metadata: {},
          createdBy: 'operator:cli',
        });
        ends.push(() => store.tokens.revoke(record.tokenId, systemClock()));
        return text;
      } finally {
        life.close();
      }
    });
  }

  return {
    fresh: true,
    async for(target) {
      const { rule, accept } = target;
      if (rule.access === 'operator') return { proofs: [], why: 'only an operator may call it' };
      const caller = callerOf(target);
      if (caller === null) return { proofs: [], why: `none of its callers is a service: ${rule.callers?.join(', ')}` };
      const proofs: Proof[] = [];
      if (accept.includes('api-key')) proofs.push(...keyProofs(await keyOf(caller, 'sk', rule.scopes), target));
      if (accept.includes('service-signature') || accept.includes('http-signature'))
        proofs.push(...signatureProofs(await keyOf(caller, 'hs', rule.scopes), caller, target));
      const forTokens = rule.access !== 'service' && rule.callers === null && target.authorization === 'ours';
      if (accept.includes('session-token') && forTokens) proofs.push(tokenProof(await token(rule.scopes)));
      return { proofs, why: proofs.length > 0 ? null : `no credential of ours is accepted: ${accept.join(', ')}` };
    },
    async close() {
      closed = true;
      // What is being made at this moment is ended too.
      await Promise.allSettled(keys.values());
      for (let end = ends.pop(); end; end = ends.pop()) await end();
    },
  };
}

/** A key that was handed in: sent in both headers, and neither made nor ended here. */
export function givenCredential(key: string): Credentials {
  return {
    fresh: false,
    for: async (target) => ({ proofs: keyProofs(key, target), why: null }),
    close: async () => undefined,
  };
}

/** The same forms with secrets that nobody holds: well formed, so that they are looked up and not only read. */
export function forgedProofs(target: Target): Proof[] {
  const proofs = [
    ...keyProofs(mintKey('sk').key, target),
    ...signatureProofs(mintKey('hs').key, callerOf(target) ?? anybody, target),
  ];
  if (target.accept.includes('session-token') && target.authorization === 'ours')
    proofs.push(tokenProof(mintKey('st').key));
  return proofs;
}

/** The first service that the route admits; null where it admits others only. */
function callerOf({ rule }: Target): string | null {
  if (rule.callers === null) return anybody;
  return rule.callers.map(serviceOf).find((name) => name !== null) ?? null;
}

function serviceOf(caller: string): string | null {
  if (!caller.includes(':')) return caller;
  return caller.startsWith('service:') ? caller.slice('service:'.length) : null;
}

function keyProofs(key: string, { authorization }: Target): Proof[] {
  const xApiKey = { form: 'x-api-key', headers: async () => ({ 'x-api-key': key }) };
  return authorization === 'upstream' ? [xApiKey] : [{ ...bearerProof(key), form: 'Bearer' }, xApiKey];
}

function tokenProof(token: string): Proof {
  return { ...bearerProof(token), form: 'session token' };
}

function bearerProof(key: string): Omit<Proof, 'form'> {
  return { headers: async () => ({ authorization: `Bearer ${key}` }) };
}

function signatureProofs(key: string, caller: string, { accept }: Target): Proof[] {
  const proofs: Proof[] = [];
  if (accept.includes('service-signature')) {
    const signer = prover({ kind: 'service-signature', serviceId: caller, key });
    proofs.push({ form: 'service-signature', headers: (request) => signer.headers(request) });
  }
  if (accept.includes('http-signature')) {
    const signer = prover({ kind: 'http-signature', keyid: caller, key });
    proofs.push({ form: 'http-signature', headers: (request) => signer.headers(request) });
  }
  return proofs;
}
