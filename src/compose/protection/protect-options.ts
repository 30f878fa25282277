import type { Clock } from '../../core/clock.ts';
import type { Decision } from '../../core/decision.ts';
import { nearest } from '../../core/text/nearest.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Store } from '../../core/store.ts';
import type { Env } from '../env.ts';
import { ConfigError, shown, wholeFault, type Fault } from '../faults.ts';
import { keysFaults, whereKeysAre } from './key-option.ts';
import type { Listener } from './listener.ts';
import type { OwnService } from './own-service.ts';

/** From a stack's file: its routes, keys, modes and store, followed as they change. What stands there is not said here. */
export interface FromStack {
  /** One of the services in the file. */
  readonly service: string;
  /** The path of countersign.yaml. */
  readonly config: string;
}

export interface ProtectionSettings {
  /** Sees every decision. Nobody waits for it; that it fails is told to `warn`, once. */
  readonly onDecision?: Listener<[decision: Decision, request: AuthRequest]>;
  /** Takes a JSON line per decision; default: no lines, since standard output is the service's own. */
  readonly log?: Listener<[line: string]>;
  /** Takes what the operator should know; default: process.emitWarning. */
  readonly warn?: Listener<[text: string]>;
  /** Default: process.env. */
  readonly env?: Env;
  /** Opened and closed by the caller; default: what `keys` or the file names, else memory. */
  readonly store?: Store;
  readonly clock?: Clock;
}

type OwnWord = Exclude<keyof OwnService, 'service'>;

/** Either of the two: what stands in the file is not said here. */
export type ProtectOptions = (
  | (OwnService & { readonly config?: never })
  | (FromStack & { readonly [Word in OwnWord]?: never })
) &
  ProtectionSettings;

/** What a service says of itself, which beside `config` stands in the file. The compiler sees to it that none is missing. */
const ownWords: Readonly<Record<OwnWord, true>> = {
  keys: true,
  routes: true,
  accept: true,
  authorization: true,
  apiKeyFile: true,
  mode: true,
  rateLimit: true,
  onStoreOutage: true,
  maxSignedBody: true,
  signature: true,
  oauth: true,
  issuers: true,
  publicUrl: true,
  origins: true,
  tools: true,
  resources: true,
  prompts: true,
  trustedProxies: true,
  failedAttempts: true,
};

const settings: Readonly<Record<keyof ProtectionSettings, 'function' | 'object'>> = {
  onDecision: 'function',
  log: 'function',
  warn: 'function',
  clock: 'function',
  env: 'object',
  store: 'object',
};

/**
 * Holds the options to their names, as a file is: a rule under a word that nobody reads would leave its path open. Throws a
 * ConfigError with every slip. `adapterWords`: what the adapter takes besides.
 */
export function checkOptions(given: unknown, adapterWords: readonly string[]): void {
  if (!isObject(given)) throw slips([wholeFault('there are no options', whereKeysAre)]);
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const known = ['service', 'config', ...Object.keys(ownWords), ...Object.keys(settings), ...adapterWords];
  const faults = Object.keys(options)
    .filter((name) => !known.includes(name))
    .map((name) => unknownOption(name, known));
  if (typeof options['service'] !== 'string')
    faults.push(wholeFault(`"service" must be a text, not ${shown(options['service'])}`, 'say which service this is'));
  for (const [name, type] of Object.entries(settings))
    // oxlint-disable-next-line valid-typeof -- one of the two above
    if (name in options && typeof options[name] !== type)
      faults.push(
        wholeFault(`"${name}" must be ${type === 'object' ? 'an' : 'a'} ${type}, not ${shown(options[name])}`, ''),
      );
  faults.push(
    ...('config' in options ? besideConfig(options) : [...keysFaults(options['keys']), ...unissued(options)]),
  );
  if (faults.length > 0) throw slips(faults);
}

function unknownOption(name: string, known: readonly string[]): Fault {
  const meant = nearest(name, known);
  return wholeFault(
    `unknown option ${shown(name)}`,
    meant === null ? `known here: ${known.join(', ')}` : `did you mean "${meant}"?`,
  );
}

function besideConfig(options: Readonly<Record<string, unknown>>): Fault[] {
  const { config } = options;
  const faults =
    typeof config === 'string' ? [] : [wholeFault(`"config" must be the path of a file, not ${shown(config)}`, '')];
  const inFile = Object.keys(options).filter((name) => name in ownWords);
  for (const name of inFile)
    faults.push(wholeFault(`"${name}" is not read beside config`, 'write it into the file, or leave config out'));
  return faults;
}

/** The checks of a file say it too, in words for a file. */
function unissued({ accept, issuers }: Readonly<Record<string, unknown>>): Fault[] {
  if (!Array.isArray(accept) || !accept.includes('oauth') || issuers !== undefined) return [];
  return [wholeFault('no issuer of tokens is named', "write issuers: [{ issuer: 'https://login.example.org' }]")];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function slips(faults: readonly Fault[]): ConfigError {
  return new ConfigError('protect', faults);
}
