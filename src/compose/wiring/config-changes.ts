import type { ServiceConfig, StackConfig } from '../config.ts';

/** What differs between two configurations, by name only: values may be addresses with passwords in them. */
export interface ConfigChanges {
  readonly changed: readonly string[];
  readonly services_added: readonly string[];
  readonly services_removed: readonly string[];
}

export function configChanges(before: StackConfig, after: StackConfig): ConfigChanges {
  const apart = ['services', 'file', 'warnings', 'digest'];
  const old = new Map(before.services.map((service) => [service.name, service]));
  const names = new Set(after.services.map(({ name }) => name));
  const inServices = after.services.flatMap((service) => {
    const one = old.get(service.name);
    return one ? differing<ServiceConfig>(one, service).map((key) => `services.${service.name}.${key}`) : [];
  });
  return {
    changed: [...differing<StackConfig>(before, after).filter((key) => !apart.includes(key)), ...inServices],
    services_added: [...names].filter((name) => !old.has(name)),
    services_removed: [...old.keys()].filter((name) => !names.has(name)),
  };
}

function differing<T extends object>(before: T, after: T): string[] {
  const keys = Object.keys(after) as (string & keyof T)[];
  return keys.filter((key) => written(before[key]) !== written(after[key]));
}

function written(value: unknown): string {
  return (
    JSON.stringify(value, (_key, held: unknown) => (held instanceof Map || held instanceof Set ? [...held] : held)) ??
    ''
  );
}
