import type { SecureContext } from 'node:tls';
import { audit, type Audit, type AuditOptions } from '../audit/audit.ts';
import type { Trail } from '../audit/trail.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import { createGuard, type Guard, type GuardedService } from '../core/guard.ts';
import type { Scheme } from '../core/scheme.ts';
import type { DecisionKeeper, Store } from '../core/store.ts';
import type { Seal } from '../crypto/seal.ts';
import { keyring, type LiveKeyring } from '../keys/keyring.ts';
import { liveness, type Liveness } from '../keys/liveness.ts';
import type { KeySource } from '../keys/sources/index.ts';
import { tokens, type Tokens } from '../keys/tokens.ts';
import type { Modes } from '../rollout/modes.ts';
import type { Ramp } from '../rollout/ramp/ramp.ts';
import { override } from '../schemes/override/index.ts';
import { adminAccess, overrideAccess, type AdminAccess } from './admin-access.ts';
import { policies, schemesFor, type SchemeParts } from './catalogue.ts';
import { commandEnvironment } from './command-environment.ts';
import type { CommandConfig, ServiceConfig, StackConfig } from './config.ts';
import { readEnvironment, type Env, type Environment } from './env.ts';
import { refusedAttempts } from './failed-attempts.ts';
import { ConfigError } from './faults.ts';
import { configChanges } from './config-changes.ts';
import { guardedServices, outsideServices } from './guarded-services.ts';
import { happenings } from './happenings.ts';
import { configuredSources } from './key-sources.ts';
import { nonceOnce } from './nonce-once.ts';
import { openStore, requireSchema } from './open-store.ts';
import { stackModes } from './stack-modes.ts';
import { stackSeal } from './stack-seal.ts';
import { stackTrail } from './stack-trail.ts';
import { staleness, type Staleness } from './staleness.ts';
import { publishedRoutes } from './published-routes.ts';
import { RestartNeeded } from './restart-needed.ts';
import { revokedCertificates } from './revoked-certificates.ts';
import { releases, type Releases } from './releases.ts';
import { keylessWarning, restartReason, startFaults, startWarnings } from './start-checks.ts';
import { tokenIssuers } from './token-issuers.ts';
import { upstreamTls } from './upstream-tls.ts';
import { upstreamKeys } from './upstream-keys.ts';
import { tracing, type Tracing } from './tracing.ts';
import { version } from './version.ts';

export type { AdminAccess } from './admin-access.ts';

/** Everything that one running stack shares, wired: the gateway and the authority are given this and nothing else. */
export interface Stack {
  /** The configuration in force; replaced as a whole by reload. */
  readonly config: StackConfig;
  readonly clock: Clock;
  readonly store: Store;
  readonly guard: Guard;
  /** Judges Bearer tokens and API keys outside service routes: /auth, /metrics, /mcp. */
  readonly bearerSchemes: readonly Scheme[];
  readonly keyring: LiveKeyring;
  readonly tokens: Tokens;
  readonly liveness: Liveness;
  readonly modes: Modes;
  /** What is enforced step by step, and where it is. */
  readonly ramp: Ramp;
  /** Whether what is held in memory is what the store has. */
  readonly staleness: Staleness;
  readonly audit: Audit;
  /** Who did what. */
  readonly trail: Trail;
  /** Null: no spans are made. */
  readonly tracing: Tracing | null;
  readonly admin: AdminAccess;
  /** Seals HMAC secrets that are created here. */
  readonly seal: Seal;
  /** Of this program, as in package.json. */
  readonly version: string;
  /** True when unauthenticated requests pass (--allow-unauthenticated): every response says so. */
  readonly devMode: boolean;
  service(name: string): ServiceConfig | null;
  /** The upstream's own key, read from the service's `upstreamKey.file` and kept fresh; null when it has none or it cannot be read. */
  upstreamKey(service: string): string | null;
  /** With which an upstream that has `tls` is spoken to; null where its files cannot be used. */
  upstreamTls(service: ServiceConfig): SecureContext | null;
  /** The whole environment of a new process of a command. Throws where a secret cannot be had. */
  commandEnvironment(command: CommandConfig): Readonly<Record<string, string>>;
  /** Takes what the operator should know. */
  warn(text: string): void;
  /** Takes effect at once for routes, services and modes; throws when the new configuration needs a restart, saying why. */
  reload(config: StackConfig): void;
  /** Writes out what is buffered and lets go of everything; a store that was handed in stays open. */
  close(): Promise<void>;
}

export interface StackOptions {
  readonly config: StackConfig;
  readonly env: Env;
  /** Opened by the caller, who also closes it; otherwise the configuration's own. */
  readonly store?: Store;
  readonly clock?: Clock;
  /** False: a schema that is behind is refused (`schema_outdated`) rather than brought up to date. True when absent. */
  readonly migrate?: boolean;
  /** Keeps decisions in place of the store, in the same place: from a thread of its own, say. */
  readonly keeper?: DecisionKeeper | undefined;
  /** Sources of keys besides those of the configuration. */
  readonly sources?: readonly KeySource[];
  /** --allow-unauthenticated: nobody is asked, on this machine only. */
  readonly devMode?: boolean;
  /** Takes a JSON line per decision where the configuration wants them. */
  readonly logLine?: (line: string) => void;
  /** Takes what the operator should know, one line each. */
  readonly warn?: (text: string) => void;
  /** The routes of the configuration count, whatever is published: it is one service's own, which says them itself. */
  readonly ownRoutes?: boolean;
  /** The processes that serve the same stack beside this one, for /metrics; null: it is alone. */
  readonly workers?: AuditOptions['workers'];
}

/**
 * Rejects with a ConfigError when the environment forbids a start, and with the store's or the master key's own error when
 * one of them cannot be used. What was opened by then is closed again.
 */
export async function createStack(options: StackOptions): Promise<Stack> {
  const { env, devMode = false, warn = () => undefined } = options;
  const { environment, faults } = readEnvironment(env);
  const all = [...faults, ...startFaults(options.config, environment, devMode)];
  if (all.length > 0) throw new ConfigError(options.config.file, all);
  for (const text of [...options.config.warnings, ...startWarnings(environment)]) warn(text);

  const opened = releases();
  try {
    const store = options.store ?? (await openStore(options.config.store, env));
    if (!options.store) opened.add(() => store.close());
    if (options.migrate === false) await requireSchema(store);
    else await store.migrate();
    for (const text of await store.warnings()) warn(text);
    return await wired({ ...options, store, opened, environment });
  } catch (error) {
    await opened.close();
    throw error;
  }
}

interface Wiring extends StackOptions {
  readonly store: Store;
  readonly opened: Releases;
  readonly environment: Environment;
}

async function wired(wiring: Wiring): Promise<Stack> {
  const {
    store,
    opened,
    environment,
    env,
    clock = systemClock,
    devMode = false,
    logLine,
    warn = () => undefined,
  } = wiring;
  /** What the file says; `config` is that with the routes that are published. */
  let written = wiring.config;
  let config = written;
  let services: ReadonlyMap<string, ServiceConfig> = new Map();
  let guarded: ReadonlyMap<string, GuardedService> = new Map();
  const current = () => config;

  const seal = stackSeal(config, env, warn);
  const deeds = stackTrail({ store, clock, warn });
  opened.add(() => deeds.close());
  const traces = tracing();
  const happened = happenings(deeds, clock);
  const stale = staleness({ store, onWarning: warn, ...happened });
  opened.add(() => stale.close());
  const sources = configuredSources({ config: current, onWarning: warn });
  const keys = await keyring({ store, seal, sources: [sources, ...(wiring.sources ?? [])], clock, onWarning: warn });
  opened.add(() => keys.close());
  stale.follow(keys);
  const elsewhere = wiring.sources?.find((source) => source.sessions !== undefined)?.sessions;
  const sessions = tokens({ store: elsewhere ?? store, clock });
  opened.add(() => sessions.close());
  const issuers = await tokenIssuers({ config: config.oauth, store, clock, onWarning: warn });
  opened.add(async () => issuers.close());
  if (issuers.own) stale.follow(issuers.own);
  const revoked = await revokedCertificates(store, clock, warn);
  opened.add(() => revoked.close());
  stale.follow(revoked);
  const lives = liveness({ keyring: keys, tokens: sessions, issued: issuers.own, clock, certificates: revoked });
  opened.add(() => lives.close());
  const upstream = upstreamKeys(warn);
  opened.add(() => upstream.close());
  const tls = upstreamTls(warn);
  opened.add(() => tls.close());

  const { levels, ramp } = await stackModes({ ...wiring, config: current, keyring: keys, trail: deeds, clock, warn });
  stale.follow(levels);
  stale.follow(ramp);

  const { log, rows, retainSeconds, retainRows } = config.audit;
  const evidence = audit({
    log: log && logLine ? logLine : null,
    store: rows ? (wiring.keeper ?? store.decisions) : null,
    usage: store.usage,
    retain: { seconds: retainSeconds, rows: retainRows },
    clock,
    knowsService: (name) => services.has(name),
    expiries: () => keys.expiries(),
    ping: () => store.ping(),
    staleness: stale,
    warn,
    workers: wiring.workers ?? null,
    onDropped: happened.onDropped,
  });
  opened.add(() => evidence.close());

  const parts: Omit<SchemeParts, 'service'> = {
    keyring: keys,
    tokens: sessions,
    clock,
    issuer: (iss) => issuers.find(iss),
    once: (key, expiresAt) => store.limits.once(key, expiresAt, clock()),
    nonceOnce: nonceOnce({ store, clock, config: current }),
    certificates: { names: () => config.tls, isRevoked: (serial) => revoked.has(serial) },
  };
  const limits = { limits: store.limits, clock };
  // In dev mode nobody is asked, whatever was set at run time.
  const inForce: Modes = devMode ? { ...levels, modeOf: () => 'off' } : { ...levels, enforcedFor: ramp.enforcedFor };
  const guard = createGuard({
    service: (name) => guarded.get(name) ?? null,
    policies: policies(limits),
    modes: inForce,
    override: environment.overrideToken === null ? null : override(overrideAccess(environment.overrideToken, limits)),
    staleSeconds: () => stale.seconds(),
    onRefused: refusedAttempts({ ...limits, config: current }),
    observe(decision, request) {
      evidence.decision(decision, request, traces?.decided(decision, request));
      happened.decided(decision, request);
    },
  });

  const published = wiring.ownRoutes
    ? null
    : await publishedRoutes({ store, clock, onChange: () => takeUp(written), onWarning: warn });
  if (published) {
    opened.add(() => published.close());
    stale.follow(published);
  }

  function takeUp(now: StackConfig): void {
    const next = published ? { ...now, services: published.applied(now.services) } : now;
    // What can fail is made before anything is replaced.
    const nextGuarded = guardedServices(next.services, parts);
    written = now;
    config = next;
    services = new Map(next.services.map((service) => [service.name, service]));
    guarded = nextGuarded;
    upstream.follow(next.services);
    issuers.follow(next.oauth);
    tls.follow(next.services);
  }
  takeUp(written);
  for (const text of published?.differences(written.services) ?? []) warn(text);
  const keyless = keys.size === 0 ? keylessWarning(config, inForce) : null;
  if (keyless !== null) warn(keyless);

  return {
    get config() {
      return config;
    },
    clock,
    store,
    guard,
    bearerSchemes: schemesFor(['api-key', 'session-token'], { ...parts, service: outsideServices }),
    keyring: keys,
    tokens: sessions,
    liveness: lives,
    modes: inForce,
    ramp,
    staleness: stale,
    audit: evidence,
    trail: deeds,
    tracing: traces,
    admin: adminAccess(environment.adminToken, limits),
    seal,
    version,
    devMode,
    service: (name) => services.get(name) ?? null,
    upstreamKey: (service) => upstream.keyOf(service),
    upstreamTls: (service) => (service.tls === null ? null : tls.contextOf(service.tls)),
    commandEnvironment: (command) => commandEnvironment(command, env),
    warn,
    reload(next) {
      const reason = restartReason(config, next);
      if (reason !== null) throw new RestartNeeded(reason);
      const changes = configChanges(written, next);
      takeUp(next);
      void deeds.record({ type: 'config.reloaded', subject: next.name, detail: { digest: next.digest, ...changes } });
      for (const text of published?.differences(next.services) ?? []) warn(text);
      sources
        .follow()
        .catch((error: unknown) => warn(`key files: ${error instanceof Error ? error.message : String(error)}`));
    },
    close: () => opened.close(),
  };
}
