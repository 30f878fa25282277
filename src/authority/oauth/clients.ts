import type { JWK } from 'jose';
import { eraseRecord, everyRecord } from '../../core/record.ts';
import { StoreError } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { randomSecret } from '../../crypto/random.ts';
import { takeBack, type TakingBack } from '../../keys/tokens/issued-tokens.ts';
import { DEVICE_GRANT } from './grants.ts';
import { grantsOf } from './kept-grants.ts';
import { CLIENT, MADE, REGISTERED, writeClient } from './state.ts';

export type ClientsOptions = TakingBack;

export interface ClientOrder {
  readonly name: string;
  /** Where answers go; none: a machine that asks in its own name. */
  readonly redirectUris: readonly string[];
  /** Connects by a code that a person types elsewhere. */
  readonly device: boolean;
  /** The most that it can have; none: for a machine no scope, for a person's client what an operator grants. */
  readonly scopes: readonly string[];
  /** Public keys with which it proves itself in place of a secret; null for none. */
  readonly jwks: readonly JWK[] | null;
}

export interface MadeClient {
  readonly clientId: string;
  /** Shown this once; null for a client without one. */
  readonly secret: string | null;
}

export interface ListedClient {
  readonly clientId: string;
  readonly name: string | null;
  readonly grants: readonly string[];
  readonly authentication: string;
  readonly redirectUris: readonly string[];
  readonly scope: string | null;
  /** Epoch seconds at which it is forgotten, unless it is used before; null for never. */
  readonly expiresAt: number | null;
}

const writtenEverySeconds = 86_400;

export async function createClient(order: ClientOrder, options: ClientsOptions): Promise<MadeClient> {
  const { name, redirectUris, device, scopes, jwks } = order;
  const isMachine = redirectUris.length === 0 && !device;
  const clientId = `${MADE}${randomSecret(16).toString('base64url')}`;
  const secret = isMachine && jwks === null ? randomSecret(64).toString('base64url') : null;
  const authentication = jwks !== null ? 'private_key_jwt' : secret !== null ? 'client_secret_basic' : 'none';
  const grants = isMachine
    ? ['client_credentials']
    : [...(redirectUris.length > 0 ? ['authorization_code'] : []), 'refresh_token', ...(device ? [DEVICE_GRANT] : [])];
  const isNative = redirectUris.some((uri) => /^(?!https:)/.test(uri));
  const client = {
    client_id: clientId,
    client_name: name,
    redirect_uris: [...redirectUris],
    response_types: redirectUris.length > 0 ? ['code'] : [],
    grant_types: grants,
    token_endpoint_auth_method: authentication,
    ...(isNative && { application_type: 'native' }),
    ...(secret !== null && { client_secret: secret }),
    ...(jwks !== null && { jwks: { keys: jwks } }),
    ...((scopes.length > 0 || isMachine) && { scope: scopes.join(' ') }),
  };
  await writeClient(clientId, client, options);
  return { clientId, secret };
}

export async function listClients({ records, clock }: ClientsOptions): Promise<ListedClient[]> {
  return (await everyRecord(records, CLIENT, clock())).map(({ value, expiresAt }) => ({
    ...listed(value as Readonly<Record<string, unknown>>),
    expiresAt,
  }));
}

/**
 * The client is unknown from now on, and all that it was granted is dead: refresh tokens at once, access tokens as soon as the
 * news is heard, and whatever is being granted to it at this moment. One whose id is an address may come again after a minute and
 * ask an operator anew. Resolves to how many grants were ended; null when nothing is known of such a client.
 */
export async function revokeClient(clientId: string, options: ClientsOptions): Promise<number | null> {
  const { records, clock } = options;
  const isKnown = (await records.get(CLIENT, sha256Hex(clientId), clock())) !== null;
  if (!isKnown && (await grantsOf({ clientId }, options)).length === 0) return null;
  // First, so that a client that is gone never leaves live tokens behind, however far the rest comes; and so that whoever grants
  // it something from now on takes that back.
  await takeBack({ clientId }, options);
  // Its use may be written down, or it may register the same again, in this very moment.
  if (!(await eraseRecord(records, CLIENT, sha256Hex(clientId), clock())))
    throw new StoreError('store_unavailable', 'the client is being written by others; try again');
  const grants = await grantsOf({ clientId }, options);
  for (const grant of grants) await records.remove(grant.kind, grant.id, grant.revision, clock());
  return grants.length;
}

/**
 * One that registered itself was used, and is kept for `seconds` from now. Written once a day at most; whoever ends the client
 * meanwhile is not undone.
 */
export async function keepClient(
  clientId: string,
  seconds: number,
  { records, clock }: Pick<ClientsOptions, 'records' | 'clock'>,
): Promise<void> {
  if (!clientId.startsWith(REGISTERED)) return;
  const now = clock();
  const known = await records.get(CLIENT, sha256Hex(clientId), now);
  if (!known || (known.expiresAt ?? 0) > now + seconds - writtenEverySeconds) return;
  await records.put({ ...known, expiresAt: now + seconds }, known.revision, now);
}

function listed(value: Readonly<Record<string, unknown>>): Omit<ListedClient, 'expiresAt'> {
  const texts = (name: string): string[] => (Array.isArray(value[name]) ? value[name].map(String) : []);
  const text = (name: string): string | null => (typeof value[name] === 'string' ? value[name] : null);
  return {
    clientId: text('client_id') ?? '',
    name: text('client_name'),
    grants: texts('grant_types'),
    authentication: text('token_endpoint_auth_method') ?? 'client_secret_basic',
    redirectUris: texts('redirect_uris'),
    scope: text('scope'),
  };
}
