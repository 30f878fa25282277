import { MCP_KINDS, type McpRules } from '../../core/mcp/rules.ts';
import type { RouteRule } from '../../core/route.ts';
import type { ListenAddress, OauthConfig, ServiceOauth } from '../config.ts';
import type { RawConfig, RawService } from '../schema/schema.ts';
import { secondsOf } from '../schema/quantities.ts';

/** Where metadata of a resource stands (RFC 9728 §3). */
export const resourceMetadataPath = '/.well-known/oauth-protected-resource';

export function oauthOf(raw: RawConfig['oauth'], admin: Origin): OauthConfig | null {
  if (raw === undefined) return null;
  const { issuers = [], server } = raw;
  return {
    issuers: issuers.map(({ issuer, jwksUri }) => ({ issuer, jwksUri: jwksUri ?? null })),
    server: server
      ? {
          issuer: server.issuer ?? originOf(admin),
          accessTokenSeconds: secondsOf(server.accessTokenTtl, 300),
          refreshTokenSeconds: secondsOf(server.refreshTokenTtl, 30 * 86_400),
          registration: server.registration ?? false,
          registeredClientSeconds: secondsOf(server.registeredClientTtl, 90 * 86_400),
          metadataDocuments: server.metadataDocuments ?? true,
        }
      : null,
  };
}

export interface ServicePlace {
  readonly publicUrl: string;
  readonly rules: readonly RouteRule[];
  readonly mcp: McpRules | null;
  readonly listen: ListenAddress | null;
  /** The listeners for callers speak TLS. */
  readonly secure: boolean;
}

export interface Origin {
  readonly listen: ListenAddress;
  readonly secure: boolean;
}

/** Null for a service that takes no access tokens. */
export function serviceOauthOf(name: string, raw: RawService, place: ServicePlace): ServiceOauth | null {
  if (!raw.accept?.includes('oauth')) return null;
  const resource = raw.oauth?.resource ?? resourceOf(name, raw, place);
  const { origin, pathname, search } = new URL(resource);
  const asked = raw.oauth?.scopes ?? [];
  return {
    resource,
    metadataUrl: `${origin}${resourceMetadataPath}${pathname === '/' ? '' : pathname}${search}`,
    scopes: asked,
    scopesKnown: [...new Set([...asked, ...place.rules.flatMap(({ scopes }) => scopes), ...scopesOfMcp(place.mcp)])],
    issuers: raw.oauth?.issuers ?? null,
    dpopRequired: raw.oauth?.dpop === 'required',
  };
}

/** As callers see it: at a host of its own, at a port of its own, or below the gateway's address. */
function resourceOf(name: string, raw: RawService, { publicUrl, listen, secure }: ServicePlace): string {
  const [host] = raw.hosts ?? [];
  if (host !== undefined) {
    const { protocol, port } = new URL(publicUrl);
    return `${protocol}//${host}${port === '' ? '' : `:${port}`}`;
  }
  if (listen !== null) return originOf({ listen, secure });
  return raw.mount === '/' ? publicUrl : `${publicUrl}/${name}`;
}

export function publicUrlOf(written: string | undefined, main: Origin): string {
  return (written ?? originOf(main)).replace(/\/+$/, '');
}

function scopesOfMcp(rules: McpRules | null): string[] {
  if (rules === null) return [];
  return MCP_KINDS.flatMap((kind) => rules[kind] ?? []).flatMap((rule) => rule.scopes.flatMap(({ scopes }) => scopes));
}

function originOf({ listen: { host, port }, secure }: Origin): string {
  return `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
