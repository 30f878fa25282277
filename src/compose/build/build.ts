import { resolve } from 'node:path';
import { addressList } from '../../core/address.ts';
import { MCP_KINDS, type McpRule, type McpRules } from '../../core/mcp/rules.ts';
import { callerId, type RateLimit, type RouteRule } from '../../core/route.ts';
import {
  SCHEMES,
  type CommandConfig,
  type CommandSecret,
  type DeliveryConfig,
  type KeySourceConfig,
  type ListenAddress,
  type SchemeName,
  type ServiceConfig,
  type StackConfig,
  type StoreConfig,
} from '../config.ts';
import { certificatesOf, listenTlsOf, upstreamTlsOf } from './build-tls.ts';
import type { Environment } from '../env.ts';
import { oauthOf, publicUrlOf, serviceOauthOf } from './oauth-config.ts';
import { openidOf } from './openid-config.ts';
import type { RawConfig, RawDelivery, RawMcpRules, RawRateLimit, RawRoute, RawService } from '../schema/schema.ts';
import { bytesOf, listenAddress, secondsOf, staleSeconds } from '../schema/quantities.ts';
import { storeConfig } from '../schema/store-urls.ts';

export interface BuildOptions {
  readonly file: string | null;
  readonly digest: string;
  /** Where relative paths begin. */
  readonly folder: string;
  readonly environment: Environment;
  readonly warnings: readonly string[];
}

const acceptedByDefault: readonly SchemeName[] = ['http-signature', 'service-signature', 'api-key', 'session-token'];

/** A checked file with its defaults filled in. What is wrong was refused before, so this never fails. */
export function builtConfig(raw: RawConfig, options: BuildOptions): StackConfig {
  const { file, digest, folder, environment, warnings } = options;
  const secure = raw.tls !== undefined;
  const publicUrl = publicUrlOf(raw.publicUrl, { listen: address(raw.listen ?? '127.0.0.1:8700'), secure });
  return {
    file,
    mcpFiles: [],
    digest,
    name: raw.name ?? 'countersign',
    listen: address(raw.listen ?? '127.0.0.1:8700'),
    adminListen: address(raw.adminListen ?? '127.0.0.1:8701'),
    tls: listenTlsOf(raw.tls, folder),
    adminTls: raw.adminTls
      ? { cert: resolve(folder, raw.adminTls.cert), key: resolve(folder, raw.adminTls.key) }
      : null,
    adminHosts: raw.adminHosts ?? [],
    store: storeOf(raw.store, options),
    mode: raw.mode ?? 'enforce',
    modeIsDefault: raw.mode === undefined,
    trustedProxies: addressList(raw.trustedProxies ?? []),
    keys: (raw.keys ?? []).flatMap((source) => keySource(source, folder)),
    failedAttempts: raw.failedAttempts
      ? { limit: raw.failedAttempts.limit ?? 10, windowSeconds: secondsOf(raw.failedAttempts.per, 300) }
      : null,
    audit: {
      log: raw.audit?.log ?? true,
      rows: raw.audit?.rows ?? true,
      retainSeconds: secondsOf(raw.audit?.retain, 30 * 86_400),
      retainRows: raw.audit?.retainRows ?? 1_000_000,
      retainEventsSeconds: secondsOf(raw.audit?.retainEvents, 400 * 86_400),
      retainEventsCount: raw.audit?.retainEventsCount ?? 100_000,
    },
    outsideCallers: raw.callers ?? [],
    rotateEverySeconds: raw.rotateEvery === undefined ? null : secondsOf(raw.rotateEvery, 0),
    rotateGraceSeconds: secondsOf(raw.rotateGrace, 86_400),
    deliver: new Map(
      Object.entries(raw.deliver ?? {}).flatMap(([caller, delivery]) =>
        deliveryOf(delivery, folder).map((found) => [caller, found] as const),
      ),
    ),
    publicUrl,
    oauth: oauthOf(raw.oauth, {
      listen: address(raw.adminListen ?? '127.0.0.1:8701'),
      secure: raw.adminTls !== undefined,
    }),
    openid: openidOf(raw.operators, folder),
    certificates: certificatesOf(raw.certificates, folder),
    services: Object.entries(raw.services ?? {}).map(([name, service]) =>
      serviceOf(name, service, { publicUrl, secure }, options),
    ),
    tokenTtlSeconds: environment.tokenTtlSeconds,
    warnings,
  };
}

function serviceOf(
  name: string,
  raw: RawService,
  front: { publicUrl: string; secure: boolean },
  options: BuildOptions,
): ServiceConfig {
  const { folder, environment } = options;
  const accepted = raw.accept ?? acceptedByDefault;
  const listen = raw.listen === undefined ? null : address(raw.listen);
  const rules = (raw.routes ?? []).map(ruleOf);
  const mcp = mcpRulesOf(raw);
  const oauth = serviceOauthOf(name, raw, { ...front, rules, mcp, listen });
  return {
    name,
    upstream: raw.upstream === undefined ? `stdio://${name}` : upstreamOf(raw.upstream),
    command: commandOf(raw, folder),
    tls: upstreamTlsOf(raw.tls, folder),
    listen,
    hosts: raw.hosts ?? [],
    mount: raw.mount ?? null,
    // Asked in the order of SCHEMES, whatever order the file has.
    accept: SCHEMES.filter((scheme) => accepted.includes(scheme)),
    authorization: raw.authorization ?? 'ours',
    passCredential: raw.passCredential ?? false,
    upstreamKey: raw.upstreamKey
      ? { file: resolve(folder, raw.upstreamKey.file), header: raw.upstreamKey.header ?? 'authorization' }
      : null,
    apiKeyFile: raw.apiKeyFile === undefined ? null : resolve(folder, raw.apiKeyFile),
    mode: raw.mode ?? null,
    rules,
    rateLimit: rateLimitOf(raw.rateLimit),
    mcp,
    oauth,
    origins: raw.origins ?? (oauth && [new URL(oauth.resource).origin]),
    staleSecondsMax: staleSeconds(raw.onStoreOutage ?? 'cached(5m)'),
    maxSignedBody: bytesOf(raw.maxSignedBody, 10_485_760),
    timeouts: {
      connectSeconds: secondsOf(raw.timeouts?.connect, 5),
      responseSeconds: secondsOf(raw.timeouts?.response, 300),
    },
    signature: {
      windowSeconds: secondsOf(raw.signature?.window, environment.signatureWindow),
      replay: raw.signature?.replay ?? 'off',
      ageSeconds: secondsOf(raw.signature?.age, 60),
      skewSeconds: secondsOf(raw.signature?.skew, 30),
      hosts: raw.signature?.hosts ?? null,
    },
    rotateEverySeconds: raw.rotateEvery === undefined ? null : secondsOf(raw.rotateEvery, 0),
    rotateGraceSeconds: raw.rotateGrace === undefined ? null : secondsOf(raw.rotateGrace, 0),
  };
}

function commandOf(raw: RawService, folder: string): CommandConfig | null {
  if (raw.command === undefined) return null;
  const { perCaller, max, idle, memory } = raw.processes ?? {};
  return {
    // One with a slash is a path, as in a shell; any other is looked for in PATH.
    command: raw.command.includes('/') ? resolve(folder, raw.command) : raw.command,
    args: raw.args ?? [],
    cwd: resolve(folder, raw.cwd ?? '.'),
    env: raw.env ?? {},
    envFile: raw.envFile === undefined ? null : resolve(folder, raw.envFile),
    secrets: Object.entries(raw.secrets ?? {}).flatMap(([name, { file, env }]): CommandSecret[] => {
      if (file !== undefined) return [{ name, file: resolve(folder, file) }];
      return env === undefined ? [] : [{ name, variable: env }];
    }),
    perCaller: perCaller ?? 4,
    max: max ?? 32,
    idleSeconds: secondsOf(idle, 600),
    memoryMax: bytesOf(memory, 1_073_741_824),
  };
}

export function ruleOf(raw: RawRoute): RouteRule {
  return {
    path: raw.path,
    methods: raw.methods ?? null,
    access: raw.access ?? 'any',
    callers: raw.callers ?? null,
    scopes: raw.scopes ?? [],
    addresses: raw.allowedIps ? addressList(raw.allowedIps) : null,
    rateLimit: rateLimitOf(raw.rateLimit),
    mode: raw.mode ?? null,
    staleSecondsMax: raw.onStoreOutage === undefined ? null : staleSeconds(raw.onStoreOutage),
  };
}

function mcpRulesOf(raw: RawService): McpRules | null {
  if (raw.protocol === undefined && MCP_KINDS.every((kind) => raw[kind] === undefined)) return null;
  return { tools: mcpRules(raw.tools), resources: mcpRules(raw.resources), prompts: mcpRules(raw.prompts) };
}

/** Those for single callers first: the first that is for a caller counts. */
function mcpRules(raw: RawMcpRules | undefined): McpRule[] | null {
  if (raw === undefined) return null;
  const scopes = Object.entries(raw.scopes ?? {}).map(([glob, needed]) => ({ glob, scopes: needed }));
  const single = Object.entries(raw.for ?? {}).map(([caller, usable]): McpRule => ({
    callers: new Set([callerId(caller)]),
    allow: usable.allow ?? null,
    deny: usable.deny ?? [],
    scopes,
  }));
  // Who writes rules for some callers alone has allowed the others nothing.
  const nothing = raw.for !== undefined && raw.allow === undefined && raw.deny === undefined;
  return [...single, { callers: null, allow: nothing ? [] : (raw.allow ?? null), deny: raw.deny ?? [], scopes }];
}

function rateLimitOf(raw: RawRateLimit | undefined): RateLimit | null {
  return raw ? { limit: raw.limit, windowSeconds: secondsOf(raw.per, 60), by: raw.by ?? 'caller' } : null;
}

/** The file wins where it names a store; then the environment; then a file beside the configuration. */
function storeOf(written: string | undefined, { folder, environment }: BuildOptions): StoreConfig {
  const store = (written === undefined ? environment.store : storeConfig(written)) ?? {
    kind: 'sqlite',
    file: '.countersign/state.db',
  };
  return store.kind === 'sqlite' ? { ...store, file: resolve(folder, store.file) } : store;
}

function keySource(raw: NonNullable<RawConfig['keys']>[number], folder: string): KeySourceConfig[] {
  if (raw.files !== undefined) return [{ kind: 'files', pattern: resolve(folder, raw.files) }];
  if (raw.envFiles !== undefined) return [{ kind: 'envFiles', pattern: resolve(folder, raw.envFiles) }];
  return raw.redis === undefined ? [] : [{ kind: 'redis', url: raw.redis }];
}

function deliveryOf(raw: RawDelivery, folder: string): DeliveryConfig[] {
  if (raw.file !== undefined) return [{ kind: 'file', path: resolve(folder, raw.file) }];
  if (raw.envFile !== undefined) return [{ kind: 'envFile', path: resolve(folder, raw.envFile) }];
  return raw.redis === undefined ? [] : [{ kind: 'redis', url: raw.redis }];
}

function upstreamOf(text: string): string {
  const url = new URL(text);
  // A slash at its end counts where the name of the service alone is asked for.
  return url.origin + (url.pathname === '/' ? '' : url.pathname.replace(/\/+$/, '/'));
}

function address(text: string): ListenAddress {
  const found = listenAddress(text);
  if (!found) throw new TypeError(`${text} is not an address to listen on`);
  return found;
}
