import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import { ownIssuer, type OwnIssuer } from '../../keys/tokens/issued-tokens.ts';
import { remoteIssuer, type TokenIssuer } from '../../schemes/oauth/index.ts';
import type { OauthConfig } from '../config.ts';
import { fetchJson } from './fetch-json.ts';

export interface TokenIssuers {
  /** The trusted issuer of this name; null for none. */
  find(iss: string): TokenIssuer | null;
  /** The embedded authorization server as judges of its tokens see it; null for none. */
  readonly own: OwnIssuer | null;
  /** Takes another configuration up; what is known of an issuer that stays is kept. */
  follow(config: OauthConfig | null): void;
  close(): void;
}

export interface TokenIssuersOptions {
  readonly config: OauthConfig | null;
  readonly store: Store;
  readonly clock: Clock;
  readonly onWarning: (text: string) => void;
}

export async function tokenIssuers({ config, store, clock, onWarning }: TokenIssuersOptions): Promise<TokenIssuers> {
  const server = config?.server ?? null;
  const own = server && (await ownIssuer({ issuer: server.issuer, store, clock, onWarning }));
  let remote = new Map<string, { readonly jwksUri: string | null; readonly issuer: TokenIssuer }>();

  function follow(next: OauthConfig | null): void {
    const named = (next?.issuers ?? []).map(({ issuer, jwksUri }) => {
      const known = remote.get(issuer);
      const kept = known?.jwksUri === jwksUri ? known.issuer : remoteIssuer({ issuer, jwksUri, fetchJson, clock });
      return [issuer, { jwksUri, issuer: kept }] as const;
    });
    remote = new Map(named);
  }
  follow(config);

  return {
    own,
    find: (iss) => (iss === own?.issuer ? own : (remote.get(iss)?.issuer ?? null)),
    follow,
    close: () => own?.close(),
  };
}
