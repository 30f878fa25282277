import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemClock } from '../../../core/clock.ts';
import { deliverableSecrets } from '../../../keys/deliverable.ts';
import { serviceIdFault } from '../../../keys/service-id.ts';
import { codeOfFault } from '../../../secrets/secrets-error.ts';
import type { Invocation } from '../../command.ts';
import { refused } from '../../failure.ts';
import { secretFromFile } from '../../secret-input.ts';
import { atWork, sealOf } from '../../workplace.ts';

/**
 * The keys of these services, or of all that have one: the newest HMAC secrets of the store, or with --keys what lies in that
 * folder. Refuses before anything is changed where a service has none.
 */
export async function keysToDeliver(
  invocation: Invocation,
  services: readonly string[] | null,
): Promise<Map<string, string>> {
  const given = invocation.text('keys');
  const folder = given === null ? null : resolve(given);
  const known = folder === null ? await storedKeys(invocation, services) : keysIn(folder, services);
  const wanted = services ?? [...known.keys()].sort();
  const missing = wanted.filter((service) => !known.has(service));
  if (missing.length > 0)
    throw refused(
      `there is no key to bring to ${missing.join(', ')}; nothing was changed`,
      folder === null
        ? `The store has no HMAC secret of theirs. Make one: countersign keys create ${missing[0]} --kind hs`
        : `Neither ${missing[0]}.key nor ${missing[0]}.env is in ${folder}.`,
    );
  if (wanted.length === 0)
    throw refused(
      `there is no key to deliver in ${folder ?? 'the store'}; nothing was changed`,
      folder === null
        ? 'API keys are kept as digests only. Make an HMAC secret: countersign keys create SERVICE --kind hs'
        : 'A key is the only line of <service>.key, or SERVICE_KEY= in <service>.env.',
    );
  return new Map(wanted.map((service) => [service, known.get(service) ?? '']));
}

/** Services named with --only; null for all. */
export function onlyOption(invocation: Invocation): string[] | null {
  const only = invocation.texts('only');
  for (const service of only) {
    const fault = serviceIdFault(service);
    if (fault !== null) throw refused(`--only "${service}": ${fault}`);
  }
  return only.length === 0 ? null : [...new Set(only)];
}

function storedKeys(invocation: Invocation, services: readonly string[] | null): Promise<Map<string, string>> {
  return atWork(invocation, async ({ config, store, record }) => {
    const wanted = { seal: sealOf(config, invocation), now: systemClock(), services };
    const found = deliverableSecrets(await store.keys.list(), wanted);
    const callers = [...found.keys()].sort();
    if (!invocation.dryRun) await record({ type: 'keys.handed_out', subject: '', detail: { callers } });
    return found;
  });
}

function keysIn(folder: string, services: readonly string[] | null): Map<string, string> {
  const found = (services ?? servicesIn(folder)).flatMap((service): [string, string][] => {
    const file = [`${service}.key`, `${service}.env`]
      .map((name) => join(folder, name))
      .find((path) => existsSync(path));
    return file === undefined ? [] : [[service, secretFromFile(file, `the key of ${service}`)]];
  });
  return new Map(found);
}

function servicesIn(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw refused(`${folder} cannot be read (${codeOfFault(error)})`);
  }
  const services = names.flatMap((name) => /^(.+)\.(?:key|env)$/.exec(name)?.[1] ?? []);
  return [...new Set(services.filter((service) => serviceIdFault(service) === null))];
}
