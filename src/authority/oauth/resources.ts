import type { ServiceConfig } from '../../compose/config.ts';
import type { Stack } from '../../compose/stack.ts';

/** The service that a resource indicator means (RFC 8707): one of those that take our tokens; null for none. */
export function resourceOf(stack: Stack, indicator: string): ServiceConfig | null {
  const wanted = plain(indicator);
  return services(stack).find(({ oauth }) => oauth !== null && plain(oauth.resource) === wanted) ?? null;
}

/** Where there is one service alone, clients need not name it. */
export function soleResource(stack: Stack): string | undefined {
  const [only, ...more] = services(stack);
  return more.length === 0 ? only?.oauth?.resource : undefined;
}

/** Every scope that any of them knows. */
export function scopesKnown(stack: Stack): readonly string[] {
  return [...new Set(services(stack).flatMap(({ oauth }) => oauth?.scopesKnown ?? []))];
}

export interface ResourceServerInfo {
  readonly scope: string;
  readonly audience: string;
  readonly accessTokenFormat: 'jwt';
  readonly accessTokenTTL: number;
  readonly jwt: { readonly sign: { readonly alg: 'ES256' } };
}

/** `clientScope`: what the client may have at most, separated by spaces; undefined: whatever an operator grants it. */
export function resourceServerOf(
  { oauth }: ServiceConfig,
  accessTokenTTL: number,
  clientScope: string | undefined,
): ResourceServerInfo {
  const most = clientScope?.split(' ');
  return {
    scope: (oauth?.scopesKnown ?? []).filter((scope) => most?.includes(scope) ?? true).join(' '),
    audience: oauth?.resource ?? '',
    accessTokenFormat: 'jwt',
    accessTokenTTL,
    jwt: { sign: { alg: 'ES256' } },
  };
}

function services({ config }: Stack): readonly ServiceConfig[] {
  const issuer = config.oauth?.server?.issuer ?? '';
  return config.services.filter(({ oauth }) => oauth !== null && (oauth.issuers?.includes(issuer) ?? true));
}

/** Only the root's slash makes no difference. */
function plain(resource: string): string {
  if (!URL.canParse(resource)) return resource;
  const { origin, pathname, search } = new URL(resource);
  return pathname === '/' && search === '' ? origin : resource;
}
