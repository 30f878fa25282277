import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { OauthServerConfig } from '../../compose/config.ts';

/** When somebody is asked to log in, and when whether a client may. */
export function questions({ issuer }: Pick<OauthServerConfig, 'issuer'>): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  // In the clear a browser sends the session's cookie to every port of this machine, and whoever serves one could let anything in with
  // it. What holds a single question does not leave us: its cookies are for an address that nobody else knows.
  if (issuer.startsWith('http:'))
    policy
      .get('login')
      ?.checks.add(
        new interactionPolicy.Check(
          'not_proven_here',
          'End-User authentication is required',
          'login_required',
          ({ oidc }) => oidc.result?.login === undefined,
        ),
      );
  policy.get('consent')?.checks.add(
    new interactionPolicy.Check('rs_unknown', 'the resource was not granted yet', (ctx: KoaContextWithOIDC) => {
      const granted = (ctx.oidc.entities.Grant as { resources?: Record<string, string> } | undefined)?.resources ?? {};
      const asked = Object.keys(ctx.oidc.resourceServers ?? {});
      return asked.some((resource) => granted[resource] === undefined);
    }),
  );
  return policy;
}
