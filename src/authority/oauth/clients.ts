import type { JWK } from 'jose';
import type { Clock } from '../../core/clock.ts';
import { everyRecord, type RecordStore } from '../../core/record.ts';
import { StoreError } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { randomSecret } from '../../crypto/random.ts';
import { TAKEN_BACK, takenBackId } from '../../keys/issued-tokens.ts';
import { DEVICE_GRANT } from './grants.ts';
import { CLIENT, MADE, stateAdapter } from './state.ts';

export interface ClientsOptions {
  readonly records: RecordStore;
  readonly clock: Clock;
  /** How long an access token may still be in use after its client is gone, seconds. */
  readonly accessTokenSeconds: number;
}

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
}

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
  await stateAdapter('Client', { ...options, alreadyUsed: () => new Error('clients are not used up') }).upsert(
    clientId,
    {
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
    },
  );
  return { clientId, secret };
}

export async function listClients({ records, clock }: ClientsOptions): Promise<ListedClient[]> {
  return (await everyRecord(records, CLIENT, clock())).map(({ value }) =>
    listed(value as Readonly<Record<string, unknown>>),
  );
}

/**
 * The client is unknown from now on, and all that it was granted is dead: refresh tokens at once, access tokens as soon as the
 * news is heard. One whose id is an address may come again and ask an operator anew. Resolves to how many grants were ended;
 * null when nothing is known of such a client.
 */
export async function revokeClient(clientId: string, options: ClientsOptions): Promise<number | null> {
  const { records, clock } = options;
  const now = clock();
  const known = await records.get(CLIENT, sha256Hex(clientId), now);
  // First, so that a client that is gone never leaves live tokens behind, however far the rest comes.
  if (known) await takeBack(clientId, options, now);
  if (known && !(await records.remove(CLIENT, known.id, known.revision, now)))
    throw new StoreError('store_unavailable', 'the client is being written by somebody else; try again');
  const grants = (await everyRecord(records, 'oauth-grant', now)).filter(
    ({ value }) => (value as Readonly<Record<string, unknown>>)['clientId'] === clientId,
  );
  if (!known && grants.length === 0) return null;
  if (!known) await takeBack(clientId, options, now);
  for (const grant of grants) await records.remove(grant.kind, grant.id, grant.revision, now);
  return grants.length;
}

async function takeBack(clientId: string, { records, accessTokenSeconds }: ClientsOptions, now: number): Promise<void> {
  const id = takenBackId({ clientId });
  const before = await records.get(TAKEN_BACK, id, now);
  const entry = { kind: TAKEN_BACK, id, value: { at: now }, expiresAt: now + accessTokenSeconds + 60 };
  await records.put(entry, before?.revision ?? null, now);
}

function listed(value: Readonly<Record<string, unknown>>): ListedClient {
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
