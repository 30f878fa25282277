import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { baseOf } from './address.ts';
import { ClientError } from './client-error.ts';
import type { ServiceCredential } from './credential.ts';
import { createServiceClient, type ServiceClient, type ServiceClientOptions } from './service-client.ts';
import { stackAddresses } from './stack-address.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where to look, and what of a client is not the credential. */
export interface EnvironmentOptions extends Omit<ServiceClientOptions, 'credential'> {
  /** The called service: its shared key is looked for first, and SERVICE_ID signs where there is none. */
  readonly service?: string;
  /** Which of the two to use, where both could be. */
  readonly prefer?: 'api-key' | 'service-signature';
  /** Dev mode: <SERVICE>_API_KEY may hold the key itself. An environment is shown by /proc and by crash reports. */
  readonly allowPlainEnvironment?: boolean;
  /** process.env unless given. */
  readonly env?: Env;
  /** Where secrets are mounted; /run/secrets. */
  readonly secretsFolder?: string;
}

/**
 * A client from what a container is usually given: SERVICE_ID with SERVICE_KEY or SERVICE_KEY_FILE signs; and for a called
 * service <SERVICE>_API_KEY_FILE, else /run/secrets/<service>_api_key. Throws a ClientError (key_missing) that names every
 * place looked at.
 */
export function createServiceClientFromEnv(options: EnvironmentOptions = {}): ServiceClient {
  return createServiceClient({ ...forClient(options), credential: credentialFromEnv(options) });
}

const onlyForKeys: ReadonlySet<string> = new Set<Exclude<keyof EnvironmentOptions, keyof ServiceClientOptions>>([
  'service',
  'prefer',
  'allowPlainEnvironment',
  'env',
  'secretsFolder',
]);

function forClient(options: EnvironmentOptions): Omit<ServiceClientOptions, 'credential'> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !onlyForKeys.has(name)));
}

function credentialFromEnv(options: EnvironmentOptions): ServiceCredential {
  const { service, prefer = 'api-key', env = process.env } = options;
  if (prefer !== 'api-key' && prefer !== 'service-signature')
    throw new TypeError("prefer must be 'api-key' or 'service-signature'");
  const looked: string[] = [];
  const byKey = () => (service === undefined ? null : sharedKey(service, options, env, looked));
  const bySignature = () => ownIdentity(env, looked);
  const found = prefer === 'api-key' ? (byKey() ?? bySignature()) : (bySignature() ?? byKey());
  if (found) return found;
  const whom = service === undefined ? 'this service' : `calls of ${service}`;
  // Whoever set it believes that it counts.
  const plain = service === undefined ? '' : `${stemOf(service).toUpperCase()}_API_KEY`;
  const unread = env[plain] && options.allowPlainEnvironment !== true;
  throw new ClientError(
    'key_missing',
    `there is no key for ${whom}; looked for ${looked.join(', ')}${
      unread ? `; ${plain} is set, and counts only with allowPlainEnvironment: true` : ''
    }`,
  );
}

function stemOf(service: string): string {
  return service.replaceAll('-', '_');
}

function ownIdentity(env: Env, looked: string[]): ServiceCredential | null {
  const serviceId = env['SERVICE_ID'] || null;
  const key = env['SERVICE_KEY'] || null;
  const file = env['SERVICE_KEY_FILE'] || null;
  if (key !== null && file !== null)
    throw new ClientError('key_unusable', 'SERVICE_KEY and SERVICE_KEY_FILE are both set: keep one of the two');
  if (serviceId === null || (key ?? file) === null) {
    looked.push(serviceId === null ? 'SERVICE_ID' : 'SERVICE_KEY or SERVICE_KEY_FILE');
    return null;
  }
  const kind = 'service-signature';
  return key === null ? { kind, serviceId, keyFile: file as string } : { kind, serviceId, key };
}

function sharedKey(service: string, options: EnvironmentOptions, env: Env, looked: string[]): ServiceCredential | null {
  const variable = `${stemOf(service).toUpperCase()}_API_KEY`;
  const named = env[`${variable}_FILE`] || null;
  const usual = join(options.secretsFolder ?? '/run/secrets', `${stemOf(service)}_api_key`);
  // A file that is named is the one that is meant, there or not: createServiceClient says so by its name.
  if (named !== null) return { kind: 'api-key', keyFile: named };
  if (existsSync(usual)) return { kind: 'api-key', keyFile: usual };
  looked.push(`${variable}_FILE`, usual);
  if (options.allowPlainEnvironment !== true) return null;
  const plain = env[variable] || null;
  if (plain !== null) return { kind: 'api-key', key: plain };
  looked.push(variable);
  return null;
}

/** Where the stack is, and as whom to call it. */
export interface StackClientOptions extends Omit<EnvironmentOptions, 'service' | 'baseUrl'> {
  /** Where the gateway is reached: http://127.0.0.1:8700. Services are then found below it by their names. */
  readonly gateway?: string;
  /** The stack's configuration, for where the gateway listens; COUNTERSIGN_CONFIG, else ./countersign.yaml. */
  readonly config?: string;
  /** Instead of what the environment gives. */
  readonly credential?: ServiceClientOptions['credential'];
}

/** A client of one service of the stack, called through the gateway. Throws a ClientError. */
export function createClient(service: string, options: StackClientOptions = {}): ServiceClient {
  const { gateway, config, credential, ...rest } = options;
  const baseUrl =
    gateway === undefined
      ? addresses(config, rest.env ?? process.env).baseUrlOf(service)
      : belowGateway(gateway, service);
  if (credential) return createServiceClient({ ...forClient(rest), baseUrl, credential });
  return createServiceClientFromEnv({ ...rest, baseUrl, service });
}

function belowGateway(gateway: string, service: string): string {
  const { origin, path } = baseOf(gateway, 'gateway');
  return `${origin}${path}/${encodeURIComponent(service)}`;
}

/** createClient with the same options for every service: `const client = stackClients({ gateway })`, then `client('embeddings')`. */
export function stackClients(options: StackClientOptions = {}): (service: string) => ServiceClient {
  return (service) => createClient(service, options);
}

function addresses(config: string | undefined, env: Env) {
  const file = config ?? env['COUNTERSIGN_CONFIG'] ?? 'countersign.yaml';
  return stackAddresses(textOf(file), file, (beside) => textOf(resolve(dirname(file), beside)));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ClientError(
      'bad_configuration',
      `${file} cannot be read (${code}): name the stack's configuration as config, or give the gateway`,
    );
  }
}
