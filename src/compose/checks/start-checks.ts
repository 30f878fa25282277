import { existsSync } from 'node:fs';
import { adminTokenFault, weakness } from '../../keys/secret-text.ts';
import type { Modes } from '../../rollout/modes.ts';
import type { ListenAddress, StackConfig } from '../config.ts';
import type { Environment } from '../env.ts';
import { environmentFault, type Fault } from '../faults.ts';
import { isLoopback } from '../schema/quantities.ts';

/** What stops a server from starting though its file is right: open must never be the result of a mistake. */
export function startFaults(config: StackConfig, environment: Environment, devMode: boolean): Fault[] {
  const faults: Fault[] = [];
  const { authEnabled, adminToken } = environment;
  if (authEnabled === false && !devMode)
    faults.push(
      environmentFault(
        'AUTH_ENABLED=false would leave every service open',
        'unset it; to try things out on this machine, start with --allow-unauthenticated',
      ),
    );
  if (authEnabled === true && devMode)
    faults.push(
      environmentFault('AUTH_ENABLED=true and --allow-unauthenticated contradict each other', 'keep one of the two'),
    );
  if (authEnabled === true && adminToken === null)
    faults.push(
      environmentFault('AUTH_ENABLED=true needs an admin token', 'set AUTH_ADMIN_TOKEN or AUTH_ADMIN_TOKEN_FILE'),
    );
  if (devMode)
    for (const listener of listeners(config)) {
      if (!isLoopback(listener.host))
        faults.push(
          environmentFault(
            `--allow-unauthenticated does not listen beyond this machine (${listener.host}:${listener.port})`,
            'listen on 127.0.0.1 only',
          ),
        );
    }
  return faults;
}

export function startWarnings(environment: Environment): string[] {
  const { adminToken, overrideToken } = environment;
  const warnings = [...environment.warnings];
  const judge = (name: string, secret: string | null) => {
    const weak = secret === null ? null : weakness(secret);
    if (weak !== null) warnings.push(`${name} ${weak}; make a better one with: openssl rand -hex 32`);
  };
  const unusable = adminToken === null ? null : adminTokenFault(adminToken);
  if (unusable === null) judge('AUTH_ADMIN_TOKEN', adminToken);
  else
    warnings.push(
      `AUTH_ADMIN_TOKEN ${unusable}, so no request can show it and nobody is the admin; make one with: openssl rand -hex 32`,
    );
  judge('SERVICE_AUTH_OVERRIDE_TOKEN', overrideToken);
  if (overrideToken !== null)
    warnings.push('SERVICE_AUTH_OVERRIDE_TOKEN is set: whoever holds it passes every rule of every service');
  return warnings;
}

/** Where no key is known; null while nobody is refused for that. `tokensLive`: there are session tokens. */
export function keylessWarning(
  { file, services }: StackConfig,
  { modeOf }: Pick<Modes, 'modeOf'>,
  tokensLive: boolean,
): string | null {
  const enforcing = services.filter(
    ({ name, rules, accept }) =>
      !accept.includes('client-certificate') &&
      !accept.includes('oauth') &&
      [{ path: '*', mode: null }, ...rules].some((rule) => modeOf(name, rule.path, rule.mode) === 'enforce'),
  );
  if (enforcing.length === 0) return null;
  if (tokensLive && enforcing.some(({ accept }) => accept.includes('session-token'))) return null;
  const known = 'neither a key nor a session token is known yet, so every guarded request will be refused';
  // A service that guards itself has no configuration that a command could find.
  if (file === null) return `${known}; put a key where its option keys looks for them`;
  // Keys are made where there is a configuration, which a file of MCP servers served alone has not.
  return !existsSync(file) ? known : `${known}; make a key with: countersign keys create SERVICE`;
}

function listeners(config: StackConfig): ListenAddress[] {
  return [config.listen, config.adminListen, ...config.services.flatMap(({ listen }) => listen ?? [])];
}

/** What a running server cannot take up, in plain words; null when a reload is enough. */
export function restartReason(old: StackConfig, now: StackConfig): string | null {
  const reasons = fixedParts.flatMap(([what, part]) => (same(part(old), part(now)) ? [] : [what]));
  return reasons.length === 0 ? null : reasons.join(', ');
}

const fixedParts: readonly (readonly [what: string, part: (config: StackConfig) => unknown])[] = [
  ['listen', (config) => config.listen],
  ['adminListen', (config) => config.adminListen],
  ['tls', ({ tls }) => tls && [tls.cert, tls.key, tls.clientCa]],
  ['adminTls', (config) => config.adminTls],
  ['store', (config) => config.store],
  ['audit', (config) => config.audit],
  ['oauth.server', (config) => config.oauth?.server ?? null],
  ['operators', (config) => config.openid],
  [
    'the listen of a service',
    ({ services }) => services.flatMap(({ name, listen }) => (listen ? [[name, listen]] : [])),
  ],
];

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
