import type { AddressList } from '../../core/address.ts';
import type { Decision } from '../../core/decision.ts';
import type { Guard } from '../../core/guard.ts';
import { andThen } from '../../core/maybe-promise.ts';
import type { AuthRequest } from '../../core/request.ts';
import { messageOf } from '../../core/message-of.ts';
import { loadCheckedConfig } from '../load/checked-config.ts';
import type { StackConfig } from '../config.ts';
import type { Env } from '../env.ts';
import { ConfigError, wholeFault } from '../faults.ts';
import { ownConfig, type OwnConfig, type OwnService } from './own-service.ts';
import { checkOptions, type FromStack, type ProtectOptions } from './protect-options.ts';
import { followConfig } from '../load/follow-config.ts';
import { configText } from '../schema/config-text.ts';
import { unfailing } from './listener.ts';
import { createStack, type Stack } from '../stack.ts';

export type { AuthorityOption, KeyOption } from './key-option.ts';
export type { OwnService, RouteOption } from './own-service.ts';
export type { ProtectionSettings, ProtectOptions } from './protect-options.ts';

/** A service that guards itself: what every adapter is built on. It judges as the gateway would. */
export interface Protection {
  /** The service whose routes count. */
  readonly service: string;
  readonly guard: Guard;
  /** Proxies whose description of the client is believed. */
  readonly trustedProxies: AddressList;
  /** Bytes of a signed body that are held until it is verified; over it 413. */
  readonly maxSignedBody: number;
  /** All that is behind it: keyring, tokens, modes, audit, liveness, bearerSchemes. */
  readonly stack: Stack;
  /** Tells the operator what is wrong with the program around the guard, each thing once. */
  complain(text: string): void;
  /** Lets go of files and the store. */
  close(): Promise<void>;
}

/**
 * Resolves when keys and modes have been read. Rejects with a ConfigError (code 'config_invalid') that names every slip at
 * once, and with the store's own error when it cannot be used. `adapterWords`: options that only the adapter reads.
 */
export async function protection(options: ProtectOptions, adapterWords: readonly string[] = []): Promise<Protection> {
  checkOptions(options, adapterWords);
  const { service, onDecision, log, store, clock } = options;
  const warn = unfailing(options.warn ?? warning, () => undefined);
  const complaints = new Set<string>();
  const complain = (text: string): void => {
    if (complaints.has(text)) return;
    complaints.add(text);
    warn(text);
  };
  const failing = (name: string) => {
    let isTold = false;
    return (error: unknown): void => {
      // Once, whatever it says each time: it may name a port or an id.
      if (!isTold) warn(`the function ${name} fails, which changes no decision: ${messageOf(error)}`);
      isTold = true;
    };
  };
  const env = serviceEnvironment(options.env ?? process.env);
  const stacks = 'config' in options && options.config !== undefined ? options : null;
  const read = () => (stacks === null ? ownConfig(options as OwnService, env, warn) : fromFile(stacks, env));
  const { config, sources } = await read();
  const stack = await createStack({
    config,
    env,
    sources,
    warn,
    ownRoutes: stacks === null,
    ...(store && { store }),
    ...(clock && { clock }),
    ...(log && { logLine: unfailing(log, failing('log')) }),
  });
  const following =
    config.file === null
      ? null
      : followConfig({
          files: [config.file, ...config.mcpFiles],
          load: async () => (await read()).config,
          apply: (next) => stack.reload(next),
          onRefused: (error) => warn(`the new configuration is refused: ${messageOf(error)}`),
        });
  const guarded = () => stack.service(service) ?? gone(service);
  return {
    service,
    guard: onDecision ? observed(stack.guard, unfailing(onDecision, failing('onDecision'))) : stack.guard,
    get trustedProxies() {
      return stack.config.trustedProxies;
    },
    get maxSignedBody() {
      return guarded().maxSignedBody;
    },
    stack,
    complain,
    async close() {
      following?.close();
      await stack.close();
    },
  };
}

/** As the gateway takes it, but for the files of other services' secrets, which need not be seen from here. */
async function fromFile({ service, config: file }: FromStack, env: Env): Promise<OwnConfig> {
  const text = configText(file, "give the path of the stack's file as config");
  const config = await loadCheckedConfig(file, env, { text, namedFiles: 'unneeded' });
  if (!config.services.some(({ name }) => name === service)) gone(service, config);
  return { config, sources: [] };
}

function gone(service: string, config?: StackConfig): never {
  const known = config ? `it has ${config.services.map(({ name }) => name).join(', ')}` : '';
  throw new ConfigError(config?.file ?? 'protect', [wholeFault(`no service "${service}" is configured`, known)]);
}

function observed(guard: Guard, tell: (decision: Decision, request: AuthRequest) => void): Guard {
  function told(decision: Decision, request: AuthRequest): Decision {
    tell(decision, request);
    return decision;
  }
  return {
    refusal: guard.refusal,
    routeOf: guard.routeOf,
    objectionTo: guard.objectionTo,
    decide: (request) => guard.decide(request).then((decision) => told(decision, request)),
    decideNow: (request) => andThen(guard.decideNow(request), (decision) => told(decision, request)),
  };
}

const serverOnly: ReadonlySet<string> = new Set(['AUTH_ENABLED', 'AUTH_ADMIN_TOKEN', 'AUTH_ADMIN_TOKEN_FILE']);

/**
 * The environment as one service among many may use it: it has no admin endpoints, and its start must not take back what was
 * enforced for the whole stack.
 */
function serviceEnvironment(env: Env): Env {
  const kept = Object.entries(env).filter(([name, value]) => !serverOnly.has(name) || value?.trim() === 'false');
  const known: Record<string, string | undefined> = Object.fromEntries(kept);
  const enforcement = known['SERVICE_AUTH_ENFORCEMENT_MODE']?.trim().toLowerCase() ?? '';
  if (['false', '0', 'no'].includes(enforcement)) known['SERVICE_AUTH_ENFORCEMENT_MODE'] = 'report';
  return known;
}

function warning(text: string): void {
  process.emitWarning(text, { type: 'CountersignWarning' });
}
