import { parse } from 'yaml';
import { isObject } from '../core/json/object.ts';
import { isServed, mcpServersIn } from '../core/mcp/servers.ts';
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

type Services = Readonly<Record<string, ServiceEntry | null>>;

const listenUsual = '127.0.0.1:8700';

/** Reads a file beside the configuration. Throws a ClientError. */
type ReadBeside = (file: string) => string;

/**
 * Whether the whole file is right is for `countersign validate`; a caller reads of it what names its services and no more.
 * `read`: for the file of MCP servers that it may name, whose servers are services too.
 */
export function stackAddresses(text: string, place: string, read: ReadBeside): StackAddresses {
  const document: unknown = readYaml(text, place);
  const stack = isObject(document) ? document : {};
  const services = isObject(stack['services']) ? (stack['services'] as Services) : {};
  return {
    baseUrlOf(service) {
      const named = entryOf(services, service);
      // Looked into last: it may hold secrets, and be closed to callers of other services.
      const servers = named === undefined ? mcpServers(stack['mcpConfig'], read) : {};
      const entry = named ?? entryOf(servers, service);
      if (entry === undefined) {
        const known = Object.keys({ ...services, ...servers }).join(', ') || 'none';
        throw new ClientError('no_such_service', `${place} has no service "${service}"; it has: ${known}`);
      }
      const scheme = isObject(stack['tls']) ? 'https' : 'http';
      if (entry.listen !== undefined && entry.listen !== null) return originOf(entry.listen, scheme, place);
      const gateway = originOf(stack['listen'] ?? listenUsual, scheme, place);
      return entry.mount === '/' ? gateway : `${gateway}/${service}`;
    },
  };
}

function entryOf(services: Services, service: string): ServiceEntry | undefined {
  return Object.hasOwn(services, service) ? (services[service] ?? {}) : undefined;
}

function mcpServers(file: unknown, read: ReadBeside): Services {
  if (typeof file !== 'string') return {};
  const servers = readServers(read(file), file) ?? {};
  return Object.fromEntries(Object.entries(servers as Services).filter(([, server]) => isServed(server)));
}

function readServers(text: string, place: string) {
  try {
    return mcpServersIn(text);
  } catch {
    throw new ClientError('bad_configuration', `${place} is no JSON; countersign validate says what is wrong with it`);
  }
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
