import type { AuthoritySourceOptions, KeySource } from '../../keys/sources/index.ts';
import { authoritySource, envFiles, secretFiles } from '../../keys/sources/index.ts';
import type { StackConfig } from '../config.ts';
import type { Env } from '../env.ts';
import { ConfigError, wholeFault } from '../faults.ts';
import type { KeyOption } from './key-option.ts';
import { parseConfig } from '../load/load.ts';
import type { RawConfig, RawRoute, RawService } from '../schema/schema.ts';

/** As the configuration file has it, of any depth, and not to be changed here. */
type Fixed<T> = T extends readonly (infer Item)[]
  ? readonly Fixed<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Fixed<T[Key]> }
    : T;

/** A rule in the words of countersign.yaml. */
export type RouteOption = Fixed<RawRoute>;

type ServiceWords =
  | 'accept'
  | 'authorization'
  | 'apiKeyFile'
  | 'mode'
  | 'rateLimit'
  | 'onStoreOutage'
  | 'maxSignedBody'
  | 'oauth'
  | 'origins'
  | 'prompts'
  | 'resources'
  | 'signature'
  | 'tools';

/** A service that says itself how it is guarded, in the words that countersign.yaml has for it. */
export interface OwnService
  extends
    Fixed<Pick<RawService, ServiceWords>>,
    Fixed<Pick<RawConfig, 'trustedProxies' | 'failedAttempts' | 'publicUrl'>> {
  /** Whose OAuth access tokens count, by name: `iss` exactly as tokens have it. */
  readonly issuers?: Fixed<NonNullable<RawConfig['oauth']>['issuers']>;
  readonly service: string;
  readonly keys: readonly KeyOption[];
  readonly routes?: readonly RouteOption[];
}

export interface OwnConfig {
  readonly config: StackConfig;
  readonly sources: readonly KeySource[];
}

/** Checked as a file is: what a slip there is, is one here. Throws a ConfigError with all of them. */
export function ownConfig(options: OwnService, env: Env, onWarning: (text: string) => void): OwnConfig {
  const { service, keys, routes, trustedProxies, failedAttempts, issuers, publicUrl, origins } = options;
  const { accept, authorization, apiKeyFile, mode, rateLimit, onStoreOutage, maxSignedBody, signature, oauth } =
    options;
  const { tools, resources, prompts } = options;
  const [store] = keys.flatMap((key) => ('store' in key ? [key.store] : []));
  const limits = { mode, rateLimit, onStoreOutage, maxSignedBody };
  const mcp = { tools, resources, prompts };
  const words = { accept, authorization, apiKeyFile, signature, oauth, origins, routes, ...limits, ...mcp };
  const raw = {
    store: store ?? 'memory:',
    mode,
    trustedProxies,
    failedAttempts,
    publicUrl,
    oauth: issuers && { issuers },
    callers: namedCallers(options),
    keys: keys.filter((key) => !('store' in key || 'authority' in key || 'start' in key)),
    // Rows in memory would be read by nobody.
    audit: { rows: store !== undefined },
    // Nothing is forwarded from here, but a service has an upstream.
    services: { [service]: { ...words, upstream: 'http://127.0.0.1:9' } },
  };
  const config = parsed(raw, env);
  const services = () => config.services;
  const found = config.keys.map((key): KeySource => {
    if (key.kind === 'files') return secretFiles({ pattern: key.pattern, services, onWarning, others: 'ignore' });
    if (key.kind === 'envFiles') return envFiles({ pattern: key.pattern, onWarning });
    throw new TypeError(`protect: keys cannot come from ${key.kind}`);
  });
  const given = keys.flatMap((key): KeySource[] => {
    if ('start' in key) return [key];
    if (!('authority' in key)) return [];
    const { authority: url, ...rest } = key;
    return [authorityOf({ url, service, onWarning, ...rest })];
  });
  return { config: { ...config, keys: [] }, sources: [...found, ...given] };
}

function authorityOf(options: AuthoritySourceOptions): KeySource {
  try {
    return authoritySource(options);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConfigError('protect', [wholeFault(error.message, '')]);
  }
}

function parsed(raw: object, env: Env): StackConfig {
  try {
    return parseConfig(JSON.stringify(raw), { file: null, env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Lines and columns are those of a text that nobody wrote.
    throw new ConfigError(
      'protect',
      error.faults.map((fault) => ({ ...fault, line: 0, column: 0 })),
    );
  }
}

/** A service knows no others, so every caller that it names is taken at its word. */
function namedCallers({ service, routes = [], tools, resources, prompts }: OwnService): string[] | undefined {
  const named = [
    ...routes.flatMap(({ callers }) => callers ?? []),
    ...[tools, resources, prompts].flatMap((rules) => Object.keys(rules?.for ?? {})),
  ];
  const names = named
    .map((caller) => (caller.startsWith('service:') ? caller.slice('service:'.length) : caller))
    .filter((caller) => !caller.includes(':') && caller !== service);
  return names.length === 0 ? undefined : [...new Set(names)];
}
