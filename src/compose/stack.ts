import type { SecureContext } from 'node:tls';
import type { Audit, AuditOptions } from '../audit/audit.ts';
import type { Trail } from '../audit/chain/trail.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import { createGuard, type Guard } from '../core/guard.ts';
import type { Scheme } from '../core/scheme.ts';
import type { DecisionKeeper, Store } from '../core/store.ts';
import { messageOf } from '../core/message-of.ts';
import type { Seal } from '../crypto/seal.ts';
import type { LiveKeyring } from '../keys/keyring/keyring.ts';
import type { Liveness } from '../keys/liveness.ts';
import type { KeySource } from '../keys/sources/index.ts';
import type { Tokens } from '../keys/tokens/tokens.ts';
import type { Modes } from '../rollout/modes.ts';
import type { Ramp } from '../rollout/ramp/ramp.ts';
import { override } from '../schemes/override/index.ts';
import { adminAccess, overrideAccess, type AdminAccess } from './wiring/admin-access.ts';
import { lastingPolicies, policies, schemesFor, type SchemeParts } from './catalogue.ts';
import { commandEnvironment } from './wiring/command-environment.ts';
import { configChanges } from './wiring/config-changes.ts';
import { configInForce, type ConfigInForce } from './wiring/config-in-force.ts';
import type { CommandConfig, ServiceConfig, StackConfig } from './config.ts';
import { readEnvironment, type Env, type Environment } from './env.ts';
import { refusedAttempts } from './wiring/failed-attempts.ts';
import { ConfigError } from './faults.ts';
import { guardedServices, outsideServices } from './wiring/guarded-services.ts';
import { happenings } from './wiring/happenings.ts';
import { nonceOnce } from './wiring/nonce-once.ts';
import { openStore, requireSchema } from './open-store.ts';
import { startSecrets } from './wiring/start-secrets.ts';
import { stackAudit } from './wiring/stack-audit.ts';
import { stackCredentials } from './wiring/stack-credentials.ts';
import { stackModes } from './wiring/stack-modes.ts';
import { stackSeal } from './wiring/stack-seal.ts';
import { stackTrail } from './wiring/stack-trail.ts';
import { staleness, type Staleness } from './wiring/staleness.ts';
import { RestartNeeded } from './wiring/restart-needed.ts';
import { releases, type Releases } from './wiring/releases.ts';
import { keylessWarning, restartReason, startFaults, startWarnings } from './checks/start-checks.ts';
import { upstreamTls } from './wiring/upstream-tls.ts';
import { upstreamKeys } from './wiring/upstream-keys.ts';
import { tracing, type Tracing } from './wiring/tracing.ts';
import { version } from './version.ts';

export type { AdminAccess } from './wiring/admin-access.ts';

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
    await store.ping();
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
  const { store, opened, environment, env, clock = systemClock, devMode = false, warn = () => undefined } = wiring;
  let inForce: ConfigInForce | null = null;
  const config = (): StackConfig => inForce?.config ?? wiring.config;

  const seal = stackSeal(wiring.config, env, warn);
  const trail = stackTrail({ store, clock, warn });
  opened.add(() => trail.close());
  const happened = happenings(trail);
  opened.add(() => happened.close());
  const stale = staleness({ store, onWarning: warn, ...happened });
  opened.add(() => stale.close());
  const { follow } = stale;
  const credentials = await stackCredentials({ ...wiring, seal, clock, config, warn, follow });
  const { keyring, sources, tokens, issuers, revokedCertificates, liveness } = credentials;
  const { levels, ramp } = await stackModes({ ...wiring, config, keyring, trail, clock, warn });
  follow(levels);
  follow(ramp);
  const upstream = upstreamKeys(warn);
  opened.add(() => upstream.close());
  const tls = upstreamTls(warn);
  opened.add(() => tls.close());

  const parts: Omit<SchemeParts, 'service'> = {
    keyring,
    tokens,
    clock,
    issuer: (iss) => issuers.find(iss),
    once: (key, expiresAt) => store.limits.once(key, expiresAt, clock()),
    nonceOnce: nonceOnce({ store, clock, config }),
    certificates: { names: () => config().tls, isRevoked: (serial) => revokedCertificates.has(serial) },
  };
  const current = await configInForce({
    written: wiring.config,
    ownRoutes: wiring.ownRoutes ?? false,
    store,
    clock,
    guardedServices: (services) => guardedServices(services, parts),
    onChange({ services, oauth }) {
      upstream.follow(services);
      issuers.follow(oauth);
      tls.follow(services);
    },
    onWarning: warn,
  });
  opened.add(() => current.close());
  follow(current);
  inForce = current;

  const evidence = stackAudit({ ...wiring, clock, keyring, config: current, staleness: stale, ramp, happened, warn });
  opened.add(() => evidence.close());
  const traces = tracing();
  const limits = { limits: store.limits, clock };
  // In dev mode nobody is asked, whatever was set at run time.
  const modes: Modes = devMode ? { ...levels, modeOf: () => 'off' } : { ...levels, enforcedFor: ramp.enforcedFor };
  const guard = createGuard({
    service: current.guarded,
    policies: policies(limits),
    lasting: lastingPolicies(),
    modes,
    override: environment.overrideToken === null ? null : override(overrideAccess(environment.overrideToken, limits)),
    staleSeconds: stale.seconds,
    unheard: () => (stale.seconds() === null ? keyring.unheard() : 'changes of the store are not heard'),
    onRefused: refusedAttempts({ ...limits, config }),
    ended: (principal, seconds) => liveness.faultOf(principal, clock() - seconds),
    observe(decision, request) {
      evidence.decision(decision, request, traces?.decided(decision, request));
      happened.decided(decision, request);
    },
  });
  for (const text of current.differences()) warn(text);
  const secrets = startSecrets(env);
  if (keyring.size === 0) {
    const keyless = keylessWarning(current.config, modes, await mayHaveTokens(tokens));
    if (keyless !== null) warn(keyless);
  }

  return {
    get config() {
      return current.config;
    },
    clock,
    store,
    guard,
    bearerSchemes: schemesFor(['api-key', 'session-token'], { ...parts, service: outsideServices }),
    keyring,
    tokens,
    liveness,
    modes,
    ramp,
    staleness: stale,
    audit: evidence,
    trail,
    tracing: traces,
    admin: adminAccess(environment.adminToken, { ...limits, onRefused: happened.adminRefused }),
    seal,
    version,
    devMode,
    service: current.service,
    upstreamKey: upstream.keyOf,
    upstreamTls: (service) => (service.tls === null ? null : tls.contextOf(service.tls)),
    commandEnvironment: (command) => commandEnvironment(command, env),
    warn,
    reload(next) {
      const reason = restartReason(current.config, next);
      if (reason !== null) throw new RestartNeeded(reason);
      const changes = configChanges(current.written, next);
      current.takeUp(next);
      void trail.record({ type: 'config.reloaded', subject: next.name, detail: { digest: next.digest, ...changes } });
      for (const text of [...current.differences(), ...secrets.changed()]) warn(text);
      sources.follow().catch((error: unknown) => warn(`key files: ${messageOf(error)}`));
    },
    close: () => opened.close(),
  };
}

/** Those of an authority cannot be listed from here. */
async function mayHaveTokens(tokens: Tokens): Promise<boolean> {
  try {
    return (await tokens.listActive(1)).length > 0;
  } catch {
    return true;
  }
}
