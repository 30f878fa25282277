import { parse } from 'yaml';
import { ClientError } from './client-error.ts';

/** As much of countersign.yaml as a caller needs: where the gateway listens, and how each service is reached through it. */
export interface StackAddresses {
  /** The base URL of one service. Throws a ClientError (no_such_service) naming those that there are. */
  baseUrlOf(service: string): string;
}

interface ServiceEntry {
  readonly listen?: unknown;
  readonly mount?: unknown;
}

const listenUsual = '127.0.0.1:8700';

/** Whether the whole file is right is for `countersign validate`; a caller reads its two keys and no more. */
export function stackAddresses(text: string, place: string): StackAddresses {
  const document: unknown = readYaml(text, place);
  const stack = isObject(document) ? document : {};
  const services = isObject(stack['services']) ? (stack['services'] as Record<string, ServiceEntry | null>) : {};
  return {
    baseUrlOf(service) {
      const entry = Object.hasOwn(services, service) ? services[service] : undefined;
      if (entry === undefined) {
        const known = Object.keys(services).join(', ') || 'none';
        throw new ClientError('no_such_service', `${place} has no service "${service}"; it has: ${known}`);
      }
      const scheme = isObject(stack['tls']) ? 'https' : 'http';
      if (entry?.listen !== undefined && entry.listen !== null) return originOf(entry.listen, scheme, place);
      const gateway = originOf(stack['listen'] ?? listenUsual, scheme, place);
      return entry?.mount === '/' ? gateway : `${gateway}/${service}`;
    },
  };
}

function readYaml(text: string, place: string): unknown {
  try {
    return parse(text);
  } catch {
    // The parser's words quote the file, which may hold more than a caller's log should.
    throw new ClientError('bad_configuration', `${place} is no YAML; countersign validate says where it breaks`);
  }
}

/** What listens on every address is reached on this machine's own. */
function originOf(listen: unknown, scheme: 'http' | 'https', place: string): string {
  const match = /^(?:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?([0-9]{1,5})$/.exec(String(listen));
  if (!match) throw new ClientError('bad_configuration', `${place}: listen is no host:port`);
  const [, host = '127.0.0.1', port] = match;
  const wildcard = host === '0.0.0.0' || host === '[::]';
  return `${scheme}://${wildcard ? '127.0.0.1' : host}:${port}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
