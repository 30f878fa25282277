import type { Refusal } from '../core/refusal.ts';
import { REASONS } from '../core/verdict.ts';
import { ALGORITHMS } from '../schemes/oauth/index.ts';
import type { ServiceConfig, StackConfig } from './config.ts';
import { resourceMetadataPath } from './build/oauth-config.ts';

/**
 * Paths at which clients ask how to log in. They never stand behind the wall: who has no token yet has to read them, and where
 * there is nothing to log in to, anything but 404 makes clients forget the key that they have.
 */
const discoveryPaths = [
  resourceMetadataPath,
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
];

/** Whether a normalised path asks how to log in, from the root or appended to a service's own path. */
export function isDiscovery(path: string): boolean {
  const at = path.indexOf('/.well-known/');
  return at !== -1 && discoveryPaths.some((known) => path.startsWith(known, at) && endsThere(path, at + known.length));
}

function endsThere(path: string, end: number): boolean {
  return path.length === end || path[end] === '/';
}

/** The answer of one service: what its tokens must be like (RFC 9728 §3.2), or that there is nothing. */
export function discoveryAnswer(asked: Asked, service: ServiceConfig, config: StackConfig): Refusal {
  if (service.oauth === null || !asked.path.includes(resourceMetadataPath)) return noDiscovery();
  // A browser asks first whether it may send a header of the protocol.
  if (asked.method === 'OPTIONS') return reply(204, '', {});
  return reply(200, JSON.stringify(resourceMetadata(service, config)), { 'cache-control': 'max-age=60' });
}

export interface Asked {
  readonly method: string;
  /** Normalised. */
  readonly path: string;
}

/**
 * The answer at the root of the gateway: `/.well-known/oauth-protected-resource/<service path>`, and the form without a path
 * where it can mean one service only.
 */
export function rootDiscoveryAnswer({ method, path }: Asked, config: StackConfig): Refusal {
  if (path !== resourceMetadataPath && !path.startsWith(`${resourceMetadataPath}/`)) return noDiscovery();
  const asked = path.slice(resourceMetadataPath.length).replace(/\/$/, '');
  const below = config.services.filter(({ hosts, listen }) => hosts.length === 0 && listen === null);
  const [only] = below;
  const named =
    asked === ''
      ? (below.find(({ mount }) => mount === '/') ?? (below.length === 1 ? only : undefined))
      : (below.find(({ name }) => asked === `/${name}` || asked.startsWith(`/${name}/`)) ??
        below.find(({ mount }) => mount === '/'));
  return named === undefined ? noDiscovery() : discoveryAnswer({ method, path }, named, config);
}

/** RFC 9728 §2. */
function resourceMetadata({ name, oauth }: ServiceConfig, config: StackConfig): object {
  const all = [
    ...(config.oauth?.server ? [config.oauth.server.issuer] : []),
    ...(config.oauth?.issuers ?? []).map(({ issuer }) => issuer),
  ];
  const trusted = oauth?.issuers ?? null;
  return {
    resource: oauth?.resource,
    authorization_servers: trusted === null ? all : all.filter((issuer) => trusted.includes(issuer)),
    ...(oauth?.scopesKnown.length ? { scopes_supported: oauth.scopesKnown } : {}),
    bearer_methods_supported: ['header'],
    resource_name: name,
    dpop_signing_alg_values_supported: ALGORITHMS,
    dpop_bound_access_tokens_required: oauth?.dpopRequired ?? false,
  };
}

/** A guard's refusal as it may be sent: told to log in where it asks how to, a client that has a key would forget it. */
export function unlessDiscovery(refusal: Refusal, path: string): Refusal {
  return refusal.status === 401 && isDiscovery(path) ? noDiscovery() : refusal;
}

/** There is nothing to log in to here. */
function noDiscovery(): Refusal {
  const { status, words } = REASONS.not_found;
  return reply(status, JSON.stringify({ error: words, reason: 'not_found', authenticated: false }), {
    'cache-control': 'no-store',
  });
}

/** A page of any origin may read it: it is public, and it is where a client in a browser begins. */
function reply(status: number, body: string, further: Readonly<Record<string, string>>): Refusal {
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'access-control-allow-origin': '*',
    'access-control-allow-headers': 'MCP-Protocol-Version',
    'x-content-type-options': 'nosniff',
    ...further,
  };
  return { status, headers, body };
}
