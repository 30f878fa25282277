import type { ServiceConfig, StackConfig } from '../compose/config.ts';
import type { AuthRequest } from '../core/request.ts';
import { parseTarget } from '../core/target.ts';

/** Where a request goes: the service, and the path within it. */
export interface Place {
  readonly service: ServiceConfig;
  readonly path: string;
  /** True where the name of the service was called and nothing behind it, no slash either. */
  readonly bare: boolean;
}

/** Which service a host or a path means, indexed once for each configuration. */
export interface Topology {
  readonly config: StackConfig;
  /** `path` is normalised, `authority` lower case with or without a port. Null when no service is meant. */
  locate(authority: string, path: string): Place | null;
  service(name: string): ServiceConfig | null;
}

export function topology(config: StackConfig): Topology {
  const byName = new Map<string, ServiceConfig>();
  const byHost = new Map<string, ServiceConfig>();
  let mounted: ServiceConfig | null = null;
  for (const service of config.services) {
    byName.set(service.name, service);
    for (const host of service.hosts) byHost.set(host, service);
    if (service.mount === '/') mounted = service;
  }
  return {
    config,
    locate(authority, path) {
      if (byHost.size > 0) {
        const service = byHost.get(authority) ?? byHost.get(hostName(authority));
        if (service) return { service, path, bare: false };
      }
      const slash = path.indexOf('/', 1);
      const segment = slash === -1 ? path.slice(1) : path.slice(1, slash);
      const service = byName.get(segment);
      if (service) return { service, path: slash === -1 ? '/' : path.slice(slash), bare: slash === -1 };
      return mounted === null ? null : { service: mounted, path, bare: false };
    },
    service: (name) => byName.get(name) ?? null,
  };
}

/** What callers write before the paths of the service; '' where it is meant by host, by port or by all that nothing else matches. */
export function prefixOf(
  { target, path }: Pick<AuthRequest, 'target' | 'path'>,
  { name }: Pick<ServiceConfig, 'name'>,
): string {
  const whole = parseTarget(target);
  return whole.ok && whole.path !== path ? `/${name}` : '';
}

/** The host without its port and without the final dot of DNS; IPv6 literals keep their brackets. */
export function hostName(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon === -1 || authority.endsWith(']') ? authority : authority.slice(0, colon);
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
