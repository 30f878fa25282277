import { MCP_KINDS } from '../../core/mcp/rules.ts';
import { rulePathFault, rulePathKey } from '../../core/route-table.ts';
import { nearest } from '../../core/text/nearest.ts';
import type { Fault } from '../faults.ts';
import { checkCidr } from './findings.ts';
import type { Place } from './place.ts';

/** What is wrong with the rules of one service beyond their form. */
export function routeFaults(service: Place, callers: ReadonlySet<string> | null): Fault[] {
  const faults: Fault[] = [];
  const taken = new Map<string, string>();
  for (const route of service.get('routes').items()) {
    faults.push(...pathFaults(route, taken));
    for (const cidr of route.get('allowedIps').items()) checkCidr(cidr, { faults });
    for (const caller of route.get('callers').items()) faults.push(...callerFaults(caller, route, callers));
    faults.push(...contradictions(route));
  }
  return faults;
}

/** What is wrong with the rules for an MCP server's tools, resources and prompts. */
export function mcpFaults(service: Place, callers: ReadonlySet<string> | null): Fault[] {
  const nobody = service.get('for');
  return MCP_KINDS.flatMap((kind) =>
    service
      .get(kind)
      .get('for')
      .entries()
      .flatMap(([name, place]) =>
        callerFaults(
          { ...place, text: name, fault: (message, hint) => place.keyFault(message, hint) },
          nobody,
          callers,
        ),
      ),
  );
}

function pathFaults(route: Place, taken: Map<string, string>): Fault[] {
  const path = route.get('path');
  if (path.text === null) return [];
  const fault = rulePathFault(path.text);
  if (fault === null) return duplicates(route, path, path.text, taken);
  // The core says what to write behind a colon where it knows; elsewhere an example helps.
  const [, message = fault, advice] = /^(.*): ((?:write|leave|rules) .*)$/s.exec(fault) ?? [];
  const example = path.text.startsWith('/') ? 'write /embed, /models/:name or /internal/*' : `write /${path.text}`;
  return [path.fault(message, advice ?? example)];
}

function duplicates(route: Place, path: Place, text: string, taken: Map<string, string>): Fault[] {
  const faults: Fault[] = [];
  const written = route.get('methods');
  const methods = written.value === undefined ? ['*'] : written.items().flatMap((method) => method.text ?? []);
  for (const method of methods) {
    const key = `${method} ${rulePathKey(text)}`;
    const earlier = taken.get(key);
    if (earlier !== undefined) {
      const same = earlier === text ? '' : ` (the rule for ${earlier} covers the same paths)`;
      faults.push(
        path.fault(
          `two rules for ${method === '*' ? 'all methods of' : method} ${text}${same}`,
          'merge the two, or give them different methods',
        ),
      );
    }
    taken.set(key, text);
  }
  return faults;
}

function callerFaults(caller: Place, route: Place, known: ReadonlySet<string> | null): Fault[] {
  const name = caller.text;
  if (name === null) return [];
  const access = route.get('access').value;
  if (name.includes(':')) {
    const kind = /^(service|token|client|operator):[^\s:][^\s]*$/.exec(name)?.[1];
    if (name.startsWith('holder:'))
      return [
        caller.fault(
          `the caller ${name} can never match: a key that many hold names nobody`,
          'give each caller a key of its own: countersign keys create NAME',
        ),
      ];
    if (kind === undefined)
      return [caller.fault(`"${name}" is not a principal`, 'write service:NAME, token:ID, client:ID or operator:NAME')];
    // The id of a client may be any address, also one with a star in it.
    if (name.includes('*') && (kind !== 'client' || name === 'client:*'))
      return [
        caller.fault(
          `the caller ${name} can never match: callers are no patterns`,
          'name each of them, or ask for a scope: scopes: [NAME]',
        ),
      ];
    if (access === 'service' && kind !== 'service')
      return [caller.fault(`access: service shuts out ${name}`, 'leave out access, or this caller')];
    if (access === 'operator' && kind !== 'operator')
      return [caller.fault(`access: operator shuts out ${name}`, 'leave out access, or this caller')];
    if (kind !== 'service') return [];
  } else if (access === 'operator') {
    return [caller.fault(`access: operator shuts out the service ${name}`, 'leave out access, or this caller')];
  }
  const service = name.startsWith('service:') ? name.slice('service:'.length) : name;
  if (known === null || known.has(service)) return [];
  const meant = nearest(service, known);
  const hint =
    meant === null
      ? `add it to the services, give it a key (countersign keys create ${service}), or name it at the top of the file: callers: [${service}]`
      : `did you mean "${meant}"? A caller that is no service is named at the top of the file: callers: [${service}]`;
  return [caller.fault(`unknown caller "${service}"`, hint)];
}

function contradictions(route: Place): Fault[] {
  if (route.get('access').value !== 'public') return [];
  return ['callers', 'scopes', 'allowedIps', 'rateLimit']
    .map((key) => [key, route.get(key)] as const)
    .filter(([, place]) => place.value !== undefined)
    .map(([key, place]) =>
      place.keyFault(
        `access: public and ${key} contradict each other: on a public route nobody is asked`,
        `leave out ${key}, or write access: any`,
      ),
    );
}
