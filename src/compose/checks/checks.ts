import { isObject } from '../../core/json/object.ts';
import { RESERVED_SEGMENTS, type ListenAddress } from '../config.ts';
import { checkCidr, type Findings } from './findings.ts';
import type { FileChecks } from './file-checks.ts';
import type { Place } from './place.ts';
import { listenerFindings } from './listener-checks.ts';
import { checkOauth } from './oauth-checks.ts';
import { checkOpenid } from '../build/openid-config.ts';
import { reaches } from '../schema/quantities.ts';
import { redisFault, storeFault } from '../schema/store-urls.ts';
import { checkCommand } from './command-checks.ts';
import { checkRotation } from './rotation-checks.ts';
import { mcpFaults, routeFaults } from './route-checks.ts';
import { servicePattern } from '../schema/schema-words.ts';
import { checkTls } from './tls-checks.ts';

export interface CheckOptions {
  readonly files: FileChecks;
  /** Callers that have a key; 'unchecked' when every caller is to be taken for known. */
  readonly keyHolders: ReadonlySet<string> | 'unchecked';
  /** There are services besides those of the file itself. */
  readonly servesMore: boolean;
}

/** What depends on more than one key, or on the machine: everything that the schema cannot say. */
export function findings(root: Place, options: CheckOptions): Findings {
  const found: Findings = { faults: [], warnings: [] };
  const callers = options.keyHolders === 'unchecked' ? null : knownCallers(root, options.keyHolders);
  const listeners = listenerFindings(root, found);
  for (const cidr of root.get('trustedProxies').items()) {
    checkCidr(cidr, found);
    if (cidr.text?.endsWith('/0'))
      found.warnings.push(
        cidr.fault('every peer would be believed about the address of its client', 'list your proxies only'),
      );
  }
  checkStore(root.get('store'), found);
  checkKeySources(root, options, found);
  const names = root.get('services').entries();
  if (root.get('services').value === undefined && isObject(root.value) && !options.servesMore)
    found.faults.push(
      root.keyFault(
        '"services" is missing',
        'write the services below it: services: { NAME: { upstream: http://127.0.0.1:8081 } }',
      ),
    );
  if (
    root.get('services').value !== undefined &&
    names.length === 0 &&
    isObject(root.get('services').value) &&
    !options.servesMore
  )
    found.faults.push(
      root
        .get('services')
        .keyFault('no service is configured', 'name at least one: NAME: { upstream: http://127.0.0.1:8081 }'),
    );
  checkNames(names, found);
  for (const [name, service] of names) {
    checkUpstream(service.get('upstream'), listeners, found);
    checkCommand(name, service, options.files, found);
    checkServiceFiles(service, options, found);
    found.faults.push(...routeFaults(service, callers), ...mcpFaults(service, callers));
  }
  checkMounts(names, found);
  checkHosts(root, names, found);
  checkOauth(root, found);
  checkOpenid(root, options.files, found);
  checkTls(root, options.files, found);
  checkRotation(root, callers, options.files, found);
  return found;
}

function knownCallers(root: Place, keyHolders: ReadonlySet<string>): ReadonlySet<string> {
  const outside = root
    .get('callers')
    .items()
    .flatMap((caller) => caller.text ?? []);
  return new Set([
    ...root
      .get('services')
      .entries()
      .map(([name]) => name),
    ...outside,
    ...keyHolders,
  ]);
}

function checkStore(place: Place, found: Findings): void {
  if (place.text === null) return;
  const fault = storeFault(place.text);
  if (fault) found.faults.push(place.fault(...fault));
}

function checkKeySources(root: Place, options: CheckOptions, found: Findings): void {
  for (const source of root.get('keys').items()) {
    const named = source.entries();
    if (isObject(source.value) && named.length !== 1)
      found.faults.push(
        source.fault(
          named.length === 0 ? 'the key source is empty' : 'one entry names several key sources',
          'write one of files, envFiles and redis per entry',
        ),
      );
    for (const [kind, place] of named) {
      if (place.text === null) continue;
      if (kind === 'redis') checkRedis(place, found);
      else if (kind === 'files' || kind === 'envFiles') options.files.pattern(place, found);
    }
  }
}

function checkRedis(place: Place, found: Findings): void {
  const fault = redisFault(place.text ?? '');
  if (fault) found.faults.push(place.fault(...fault));
}

function checkNames(names: readonly (readonly [string, Place])[], found: Findings): void {
  const fileNames = new Map<string, string>();
  for (const [name, service] of names) {
    if (!servicePattern.test(name)) continue;
    if (RESERVED_SEGMENTS.includes(name.toLowerCase()))
      found.faults.push(
        service.keyFault(
          `the service name "${name}" is reserved: its path /${name} belongs to Countersign`,
          `write another name, for example ${name}-service`,
        ),
      );
    if (name === 'stack')
      found.faults.push(
        service.keyFault(
          'the service name "stack" is reserved: the file stack_api_key is the key of the whole stack',
          'write another name, for example stack-service',
        ),
      );
    const fileName = name.replaceAll('-', '_');
    const other = fileNames.get(fileName);
    if (other !== undefined)
      found.faults.push(
        service.keyFault(
          `the services "${other}" and "${name}" would share the key file ${fileName}_api_key`,
          'names must differ in more than dashes and underscores',
        ),
      );
    fileNames.set(fileName, name);
  }
}

function checkUpstream(place: Place, listeners: readonly ListenAddress[], found: Findings): void {
  if (place.text === null) return;
  const fault = upstreamFault(place.text, listeners);
  if (fault) found.faults.push(place.fault(...fault));
}

/** Neither message nor hint repeats the address before it is known to hold no password. */
function upstreamFault(text: string, listeners: readonly ListenAddress[]): [message: string, hint: string] | null {
  const example = 'write http://HOST:PORT, for example http://127.0.0.1:8081';
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text) || /[\s\\]/.test(text))
    return ['the upstream is not an http or https address', example];
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/]*@/.test(text))
    return [
      'the upstream has credentials in it',
      `write ${url.protocol}//${url.host} and put the key into a file named by upstreamKey: { file: … }`,
    ];
  if (text.includes('?')) return ['the upstream has a query', `write ${url.origin}${url.pathname.replace(/\/+$/, '')}`];
  if (text.includes('#'))
    return ['the upstream has a fragment', `write ${url.origin}${url.pathname.replace(/\/+$/, '')}`];
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (port === 0) return ['the upstream has port 0', example];
  const address: ListenAddress = { host: url.hostname.replace(/^\[|\]$/g, ''), port };
  if (listeners.some((listener) => reaches(address, listener)))
    return [
      `the upstream ${url.origin} is Countersign itself: requests would go in a circle`,
      'write the address of the service, or let Countersign listen elsewhere',
    ];
  return null;
}

function checkServiceFiles(service: Place, options: CheckOptions, found: Findings): void {
  options.files.present(service.get('apiKeyFile'), found);
  options.files.present(service.get('upstreamKey').get('file'), found);
  const passes = service.get('passCredential').value === true || service.get('authorization').value === 'upstream';
  const header = service.get('upstreamKey').get('header').value ?? 'authorization';
  if (passes && service.get('upstreamKey').value !== undefined && header === 'authorization')
    found.faults.push(
      service
        .get('upstreamKey')
        .keyFault(
          'the Authorization header of the upstream would be set twice: by the caller and by upstreamKey',
          'leave out upstreamKey or passCredential and authorization, or write header: x-api-key',
        ),
    );
}

function checkMounts(names: readonly (readonly [string, Place])[], found: Findings): void {
  const mounted = names.filter(([, service]) => service.get('mount').value === '/');
  for (const [, service] of mounted.slice(1))
    found.faults.push(
      service
        .get('mount')
        .fault(
          `the service "${mounted[0]?.[0]}" has mount: / already`,
          'only one service can take what nothing else matches',
        ),
    );
}

function checkHosts(root: Place, names: readonly (readonly [string, Place])[], found: Findings): void {
  const taken = new Map<string, string>();
  const lists: (readonly [string, Place])[] = [['the admin endpoints', root.get('adminHosts')]];
  for (const [name, service] of names) lists.push([`the service "${name}"`, service.get('hosts')]);
  for (const [owner, list] of lists) {
    for (const place of list.items()) {
      if (place.text === null) continue;
      const other = taken.get(place.text);
      if (other !== undefined)
        found.faults.push(
          place.fault(`the host ${place.text} means ${other} already`, 'a host name can mean one service only'),
        );
      else taken.set(place.text, owner);
    }
  }
}
