import { isMode, type Mode } from '../core/mode.ts';
import { readSecretFile } from '../keys/sources/read-secret.ts';
import type { StoreConfig } from './config.ts';
import { environmentFault, type Fault } from './faults.ts';
import { storeConfig, storeFault } from './schema/store-urls.ts';

/** The environment variables of this process, as process.env has them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What the environment says, checked. It holds secrets: it is never logged and never part of the configuration. */
export interface Environment {
  /** Null: AUTH_ENABLED is not set and has no effect. */
  readonly authEnabled: boolean | null;
  readonly adminToken: string | null;
  readonly overrideToken: string | null;
  readonly tokenTtlSeconds: number;
  /** Null where the environment names no store. */
  readonly store: StoreConfig | null;
  /** The key for a Supabase store. */
  readonly supabaseKey: string | null;
  /** Seconds. */
  readonly signatureWindow: number;
  /** The stack's mode, over that of the file; null when not set. */
  readonly mode: Mode | null;
  /** SERVICE_AUTH_ENFORCEMENT_MODE=false at start takes back every enforcement that was set at run time. */
  readonly clearsEnforcement: boolean;
  /** Files with loose permissions that are used all the same; one line each. */
  readonly warnings: readonly string[];
}

/** Reads a variable, or the file that its `_FILE` variant names. Empty counts as not set. */
export function variables(env: Env): {
  read(name: string): string | null;
  readonly faults: Fault[];
  readonly warnings: string[];
} {
  const faults: Fault[] = [];
  const warnings: string[] = [];
  return {
    faults,
    warnings,
    read(name) {
      const plain = env[name] || null;
      const file = env[`${name}_FILE`] || null;
      if (plain !== null && file !== null) {
        faults.push(environmentFault(`${name} and ${name}_FILE are both set`, 'keep one of the two'));
        return null;
      }
      if (file === null) return plain;
      const reading = readSecretFile(file);
      if (reading.ok) {
        if (reading.warning !== null) warnings.push(`${name}_FILE: ${reading.warning}`);
        return reading.text;
      }
      faults.push(environmentFault(`${name}_FILE names a file that cannot be used: ${reading.fault}`, ''));
      return null;
    },
  };
}

export interface EnvironmentReading {
  readonly environment: Environment;
  readonly faults: readonly Fault[];
  /** Of the variables that name a store. They are shared with other programs, so they count only where the file names none. */
  readonly storeFaults: readonly Fault[];
}

/**
 * All of the environment that docs/configuration.md names, but the master key, which keys/sources/master-key.ts reads when it
 * is needed.
 */
export function readEnvironment(env: Env): EnvironmentReading {
  const { read, faults, warnings } = variables(env);
  const refuseInto = (list: Fault[]) => (name: string, hint: string) => {
    list.push(environmentFault(`${name} has a value that is not understood`, hint));
    return null;
  };
  const refuse = refuseInto(faults);
  const storeFaults: Fault[] = [];

  const enabled = read('AUTH_ENABLED');
  const ttlHours = wholeNumber(read('AUTH_TOKEN_TTL'), 24, 1, 87_600, () =>
    refuse('AUTH_TOKEN_TTL', 'write hours as a whole number from 1 to 87600: 24'),
  );
  const signatureWindow = wholeNumber(read('AUTH_TIMESTAMP_WINDOW'), 300, 1, 86_400, () =>
    refuse('AUTH_TIMESTAMP_WINDOW', 'write seconds as a whole number from 1 to 86400: 300'),
  );
  const enforcement = read('SERVICE_AUTH_ENFORCEMENT_MODE');
  return {
    environment: {
      authEnabled: enabled === null ? null : (truth(enabled) ?? refuse('AUTH_ENABLED', 'write true or false')),
      adminToken: read('AUTH_ADMIN_TOKEN'),
      overrideToken: read('SERVICE_AUTH_OVERRIDE_TOKEN'),
      tokenTtlSeconds: ttlHours * 3600,
      store: storeFrom(read, refuseInto(storeFaults)),
      supabaseKey: read('SUPABASE_KEY'),
      signatureWindow,
      mode:
        enforcement === null
          ? null
          : (modeFrom(enforcement) ??
            refuse('SERVICE_AUTH_ENFORCEMENT_MODE', 'write true, false, off, report or enforce')),
      clearsEnforcement: enforcement !== null && truth(enforcement) === false,
      warnings,
    },
    faults,
    storeFaults,
  };
}

function truth(text: string): boolean | null {
  const plain = text.trim().toLowerCase();
  if (plain === 'true' || plain === '1' || plain === 'yes') return true;
  return plain === 'false' || plain === '0' || plain === 'no' ? false : null;
}

function modeFrom(text: string): Mode | null {
  const plain = text.trim().toLowerCase();
  if (isMode(plain)) return plain;
  const enforced = truth(plain);
  return enforced === null ? null : enforced ? 'enforce' : 'report';
}

function wholeNumber(text: string | null, whenUnset: number, min: number, max: number, refuse: () => null): number {
  if (text === null) return whenUnset;
  const value = /^[0-9]{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : (refuse() ?? whenUnset);
}

type Refuse = (name: string, hint: string) => null;

/** AUTH_STORAGE speaks first, since it was set for this purpose alone; then DATABASE_URL; then Redis. */
function storeFrom(read: (name: string) => string | null, refuse: Refuse): StoreConfig | null {
  const storage = read('AUTH_STORAGE');
  const supabaseUrl = read('SUPABASE_URL');
  const database = read('DATABASE_URL');
  const redis = redisUrl(read, refuse);
  if (storage === 'memory') return { kind: 'memory' };
  if (storage === 'supabase') {
    if (supabaseUrl === null || storeFault(`supabase:${supabaseUrl}`) !== null)
      return refuse('SUPABASE_URL', 'AUTH_STORAGE=supabase needs SUPABASE_URL=https://… and SUPABASE_KEY');
    return { kind: 'supabase', url: supabaseUrl };
  }
  if (storage !== null)
    return refuse('AUTH_STORAGE', 'write memory or supabase, or name the store in the configuration');
  if (database !== null) {
    const store = storeConfig(database);
    return store?.kind === 'postgres' || store?.kind === 'sqlite'
      ? store
      : refuse(
          'DATABASE_URL',
          hintFor(database, /^(?:postgres(?:ql)?|sqlite):/, 'write postgres://USER@HOST/DATABASE'),
        );
  }
  return redis === null ? null : { kind: 'redis', url: redis };
}

function redisUrl(read: (name: string) => string | null, refuse: Refuse): string | null {
  const url = read('REDIS_URL');
  const host = read('REDIS_HOST');
  const port = read('REDIS_PORT') ?? '6379';
  if (url !== null)
    return storeConfig(url)?.kind === 'redis'
      ? url
      : refuse('REDIS_URL', hintFor(url, /^rediss?:/, 'write redis://HOST:PORT'));
  if (host === null) return null;
  const built = `redis://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return storeConfig(built) && /^[0-9]{1,5}$/.test(port)
    ? built
    : refuse('REDIS_HOST', 'write REDIS_HOST=HOST and REDIS_PORT=PORT');
}

/** What to write instead, of a variable that names the right kind of store. */
function hintFor(text: string, meant: RegExp, otherwise: string): string {
  return (meant.test(text) ? storeFault(text)?.[1] : null) ?? otherwise;
}
