import type { Clock } from '../core/clock.ts';
import type { Keyring, TokenLookup } from '../core/credential.ts';
import type { Policy } from '../core/policy.ts';
import type { Scheme } from '../core/scheme.ts';
import type { LimitStore } from '../core/store.ts';
import { addressesPolicy } from '../policies/addresses/index.ts';
import { originsPolicy } from '../policies/origins/index.ts';
import { ratePolicy } from '../policies/rate/index.ts';
import { routesPolicy } from '../policies/routes/index.ts';
import { scopesPolicy } from '../policies/scopes/index.ts';
import { openSocketsPolicy, toolsPolicy } from '../policies/tools/index.ts';
import { apiKey } from '../schemes/api-key/index.ts';
import { clientCertificate, type ClientCertificateOptions } from '../schemes/client-certificate/index.ts';
import { httpSignature, type HttpSignatureOptions } from '../schemes/http-signature/index.ts';
import { oauth, type TokenIssuer } from '../schemes/oauth/index.ts';
import { serviceSignature } from '../schemes/service-signature/index.ts';
import { sessionToken } from '../schemes/session-token/index.ts';
import { SCHEMES, type SchemeName, type ServiceConfig } from './config.ts';

/** What a scheme may be built from; each takes what it needs. */
export interface SchemeParts {
  readonly keyring: Keyring;
  readonly tokens: TokenLookup;
  readonly clock: Clock;
  readonly service: Pick<ServiceConfig, 'authorization' | 'signature' | 'oauth'>;
  /** Whose access tokens count, by name. */
  readonly issuer: (iss: string) => TokenIssuer | null;
  /** True for exactly one caller per key until `expiresAt`. */
  readonly once: (key: string, expiresAt: number) => Promise<boolean>;
  /** The same for the nonces of HTTP signatures. */
  readonly nonceOnce: HttpSignatureOptions['once'];
  readonly certificates: Pick<ClientCertificateOptions, 'names' | 'isRevoked'>;
}

export interface PolicyParts {
  readonly limits: LimitStore;
  readonly clock: Clock;
}

type SchemeMaker = (parts: SchemeParts) => Scheme;

/** One line per scheme. */
const schemes: Readonly<Record<SchemeName, SchemeMaker>> = {
  'http-signature': ({ keyring, clock, nonceOnce, service }) =>
    httpSignature({
      keys: keyring,
      clock,
      once: nonceOnce,
      ageSecondsMax: service.signature.ageSeconds,
      skewSecondsMax: service.signature.skewSeconds,
      hosts: service.signature.hosts,
    }),
  'service-signature': ({ keyring, clock, once, service }) =>
    serviceSignature({
      keyring,
      clock,
      once,
      windowSeconds: service.signature.windowSeconds,
      replay: service.signature.replay,
    }),
  oauth: ({ issuer, clock, once, service }) => {
    if (service.oauth === null) throw new TypeError('a service that accepts oauth says for whom tokens are made');
    const { issuers, ...rules } = service.oauth;
    return oauth({
      ...rules,
      clock,
      once,
      issuer: (iss) => (issuers === null || issuers.includes(iss) ? issuer(iss) : null),
    });
  },
  'api-key': ({ keyring, clock, service }) => apiKey({ keyring, clock, authorization: service.authorization }),
  'session-token': ({ tokens, clock, service }) =>
    sessionToken({ tokens, clock, authorization: service.authorization }),
  'client-certificate': ({ certificates, clock, service }) =>
    clientCertificate({ ...certificates, clock, authorization: service.authorization }),
};

/** One line per policy, in the order in which they are asked: what costs least and tells most comes first. */
const rules: readonly (() => Policy)[] = [originsPolicy, routesPolicy, addressesPolicy, scopesPolicy];

/** Those that count, or read the body, and so cannot be asked again later. They are asked last. */
const beyondRules: readonly ((parts: PolicyParts) => Policy)[] = [
  ratePolicy,
  // Reads the body, and counts what is refused for it too.
  () => toolsPolicy(),
];

/** Those of `names`, in the order in which they are asked. */
export function schemesFor(names: readonly SchemeName[], parts: SchemeParts): Scheme[] {
  return SCHEMES.filter((name) => names.includes(name)).map((name) => schemes[name](parts));
}

export function policies(parts: PolicyParts): Policy[] {
  return [...rulePolicies(), ...beyondRules.map((make) => make(parts))];
}

/** Those that are asked again of what is open when a configuration changes. */
export function lastingPolicies(): Policy[] {
  return [...rulePolicies(), openSocketsPolicy()];
}

/** The policies whose answer rests on the head of the request alone. */
export function rulePolicies(): Policy[] {
  return rules.map((make) => make());
}
