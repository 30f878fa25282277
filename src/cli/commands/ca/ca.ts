import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { internalCa, type AuthoritySettings, type InternalCa } from '../../../certificates/internal-ca.ts';
import { dueReason, keptFiles, renewInto, type KeptCertificate } from '../../../certificates/kept-files.ts';
import { isNetwork } from '../../../certificates/name-constraints.ts';
import { servicePattern, trustDomainPattern } from '../../../compose/schema/schema-words.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import { messageOf } from '../../../core/message-of.ts';
import { durationSeconds } from '../../duration.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused, usage } from '../../failure.ts';
import { atWork, sealOf, type Workplace } from '../../workplace.ts';

const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

export function caOf({ config, store }: Workplace, invocation: Invocation): InternalCa {
  return internalCa({ records: store.records, seal: () => sealOf(config, invocation), clock: systemClock });
}

export async function caInit(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const trustDomain = invocation.text('trust-domain') ?? 'stack.internal';
  if (!trustDomainPattern.test(trustDomain))
    throw usage(`--trust-domain is a name in lower case, not "${trustDomain}"`);
  const given = invocation.texts('dns');
  const dns = given.length > 0 ? given : [trustDomain, 'localhost'];
  const wrong = dns.find((name) => !namePattern.test(name));
  if (wrong !== undefined) throw usage(`--dns is a host name in lower case, not "${wrong}"`);
  const networks = invocation.texts('network').length > 0 ? invocation.texts('network') : ['127.0.0.0/8', '::1/128'];
  const odd = networks.find((network) => !isNetwork(network));
  if (odd !== undefined)
    throw usage(`--network is an address with a prefix length, not "${odd}"`, 'For example 10.0.0.0/8.');
  const seconds = durationSeconds(invocation.text('life') ?? '1825d', 'life');
  return atWork(invocation, async (place) => {
    const name = `${place.config.name} CA`;
    const settings: AuthoritySettings = {
      name,
      trustDomain,
      seconds,
      permitted: { dns, networks, uriHosts: [trustDomain] },
    };
    if (dryRun) wouldDo(invocation, `would make  ${name}  ${trustDomain}`, { name, trust_domain: trustDomain });
    else {
      const { serial, notAfter } = await caOf(place, invocation).create(settings, false);
      await place.record({ type: 'ca.created', subject: serial, detail: { trust_domain: trustDomain } });
      if (invocation.json) out.json({ serial, name, trust_domain: trustDomain, expires_at: rfc3339(notAfter) });
      else out.line(`${serial}  ${name}  ${trustDomain}  until ${rfc3339(notAfter)}`);
    }
    return EXIT.done;
  });
}

export async function caRotate(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  return atWork(invocation, async (place) => {
    const ca = caOf(place, invocation);
    const before = await ca.current();
    if (!before) throw refused('there is no authority yet', 'Make one with: countersign ca init');
    const finish = invocation.flag('finish');
    if (dryRun) {
      const words = finish
        ? 'would let the new authority issue'
        : `would make another authority beside ${before.serial}`;
      return wouldDo(invocation, words, { issues: finish, before: before.serial });
    }
    const { name, trustDomain, permitted } = before;
    const seconds = Math.max(86_400, before.notAfter - before.createdAt);
    const next = finish ? await ca.finishRotation() : await ca.create({ name, trustDomain, permitted, seconds }, true);
    const type = finish ? 'ca.rotated' : 'ca.created';
    await place.record({ type, subject: next.serial, detail: { trust_domain: trustDomain } });
    if (invocation.json) out.json({ serial: next.serial, issues: finish, before: before.serial });
    else out.line(`${next.serial}  ${finish ? 'issues from now on' : `is trusted beside ${before.serial}`}`);
    return EXIT.done;
  });
}

export async function caIssue(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const [service = ''] = invocation.positionals;
  if (!servicePattern.test(service)) throw usage(`"${service}" is no name of a service`);
  const given = invocation.text('usage') ?? 'both';
  if (given !== 'client' && given !== 'server' && given !== 'both')
    throw usage(`--usage is client, server or both, not "${given}"`);
  const kept: KeptCertificate = {
    service,
    folder: resolve(invocation.text('folder') ?? '.'),
    hosts: invocation.texts('host'),
    seconds: durationSeconds(invocation.text('life') ?? '24h', 'life'),
    usage: given,
  };
  return atWork(invocation, async (place) => {
    if (dryRun) wouldDo(invocation, `would write  ${keptFiles(kept).cert}`, { service, file: keptFiles(kept).cert });
    else {
      makeFolder(kept.folder);
      const written = await renewed(kept, place, invocation);
      if (invocation.json) out.json(written);
    }
    return EXIT.done;
  });
}

export function wouldDo({ out, json }: Invocation, words: string, detail: Readonly<Record<string, unknown>>): number {
  if (json) out.json({ dry_run: true, ...detail });
  else out.line(words);
  return EXIT.done;
}

/** A key will be in it, so it is closed to others. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw refused(`${folder} cannot be made (${codeOf(error) ?? 'unknown error'})`, 'Name a folder with --folder.');
  }
}

export async function caRenew(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [only] = invocation.positionals;
  return atWork(invocation, async (place) => {
    const all = place.config.certificates.filter(({ service }) => only === undefined || service === only);
    if (all.length === 0)
      throw refused(
        only === undefined
          ? 'the configuration keeps no certificates'
          : `the configuration keeps no certificate of ${only}`,
        'Name them: certificates: { SERVICE: { folder: /etc/SERVICE/tls } }',
      );
    const done: Renewed[] = [];
    const due: object[] = [];
    let failed = 0;
    for (const kept of all) {
      const keeper = { ca: caOf(place, invocation), records: place.store.records, clock: systemClock };
      const reason = await dueReason(kept, keeper);
      if (reason === null && invocation.flag('due')) continue;
      if (invocation.dryRun) {
        due.push({ dry_run: true, service: kept.service, reason });
        if (!invocation.json) out.line(`would renew  ${kept.service}  ${reason ?? 'asked for'}`);
        continue;
      }
      try {
        done.push(await renewed(kept, place, invocation));
      } catch (error) {
        failed += 1;
        out.warn(`${kept.service}: ${messageOf(error)}`);
      }
    }
    if (invocation.json) out.json(invocation.dryRun ? due : done);
    return failed === 0 ? EXIT.done : EXIT.refused;
  });
}

interface Renewed {
  readonly serial: string;
  readonly service: string;
  readonly expires_at: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

async function renewed(kept: KeptCertificate, place: Workplace, invocation: Invocation): Promise<Renewed> {
  const { out, json } = invocation;
  const { service } = kept;
  const keeper = { ca: caOf(place, invocation), records: place.store.records, clock: systemClock };
  const { serial, notAfter } = await renewInto(kept, keeper);
  const expires = rfc3339(notAfter);
  await place.record({ type: 'certificate.issued', subject: serial, detail: { service, expires_at: expires } });
  const files = keptFiles(kept);
  if (!json) out.line(`${serial}  ${service}  until ${expires}  ${files.cert}`);
  return { serial, service, expires_at: expires, ...files };
}
