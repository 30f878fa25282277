import type { StackConfig } from '../../../compose/config.ts';
import { nearest } from '../../../core/text/nearest.ts';
import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import { cidrFault } from '../../../core/address.ts';
import { scopePattern, scopeRule } from '../../../core/scope.ts';
import { MCP_KINDS } from '../../../core/mcp/rules.ts';
import type { KeyKind, KeyRecord } from '../../../core/credential.ts';
import { createInto } from '../../../keys/create-into.ts';
import { createKey } from '../../../keys/create.ts';
import { keyAct } from '../../../keys/key-act.ts';
import { importKey } from '../../../keys/import.ts';
import { requireKnownSeal } from '../../../keys/known-seal.ts';
import { keyToRevoke, revokeKey } from '../../../keys/revoke.ts';
import { serviceIdFault } from '../../../keys/service-id.ts';
import type { KeyTarget } from '../../../keys/targets/index.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { allEnforced } from '../mode/mode.ts';
import { placeOption } from './key-place.ts';
import { secretFromStdin, textFromStdin } from '../../secret-input.ts';
import { keyHolders } from '../../key-holders.ts';
import { atUrgentWork, atWork, sealOf, type Workplace } from '../../workplace.ts';
import { deliveredWords, endWords, shown } from './views.ts';

export async function keysCreate(invocation: Invocation): Promise<number> {
  const service = serviceName(invocation);
  // What deployed verifiers read in Redis is an HMAC secret.
  const kind = kindOption(invocation, invocation.text('to') === 'redis' ? 'hs' : 'sk');
  const now = systemClock();
  const expiresAt = expiry(invocation, now);
  const scopes = scopesOf(invocation);
  const allowedIps = addresses(invocation);
  return atWork(invocation, async ({ config, store, record: taken }) => {
    await notMisspelt({ config, store }, service);
    const target = placeOption(invocation, config, service);
    if (invocation.dryRun) return wouldMake(invocation, 'create', service, kind, expiresAt);
    const seal = sealOf(config, invocation);
    const order = { service, kind, expiresAt, scopes, allowedIps };
    warnOfSeal(await requireKnownSeal(store, seal, kind, now), invocation);
    if (target !== null) {
      const record = await createInto(order, { store, seal, clock: systemClock, target });
      await taken(keyAct('key.created', record, { delivered_to: target.name }));
      return sayDelivered(record, target, config, invocation);
    }
    const { record, key } = await createKey(store, seal, { ...order, now });
    await taken(keyAct('key.created', record));
    if (invocation.json) {
      invocation.out.json({ ...shown(record), key });
      return EXIT.done;
    }
    invocation.out.line(key.trimEnd());
    invocation.out.talk(`Made for ${service}: key ${record.id}, ${endWords(record, now)}. It is shown this once.`);
    invocation.out.talk(`${USE[kind](record.id)} Keep it in a file that only ${service} can read.`);
    sayWhenStrange(config, service, invocation);
    return EXIT.done;
  });
}

function sayDelivered(record: KeyRecord, target: KeyTarget, config: StackConfig, invocation: Invocation): number {
  const { out, json } = invocation;
  if (json) out.json({ ...shown(record), delivered_to: target.name });
  else {
    out.advice(`made  key ${record.id} of ${record.service} is in ${deliveredWords(record, target, systemClock())}`);
    sayWhenStrange(config, record.service, invocation);
  }
  return EXIT.done;
}

/** With a master key that was made anew, in another terminal say, keys are made that no server has a use for. */
function warnOfSeal(isKnown: boolean, { out }: Invocation): void {
  if (isKnown) return;
  out.warn(
    'there are HMAC secrets in the store that do not open with this COUNTERSIGN_MASTER_KEY; servers that have another one do not serve this key',
  );
}

/** A slip in the name would make a key that no rule lets in, and its caller would be refused with it. */
async function notMisspelt({ config, store }: Pick<Workplace, 'config' | 'store'>, service: string): Promise<void> {
  const named = namesIn(config);
  if (named.has(service)) return;
  const meant = nearest(service, named);
  if (meant === null || isKin(service, meant) || (await keyHolders(config, store)).has(service)) return;
  throw refused(
    `"${service}" is neither a service nor a caller of the configuration: did you mean "${meant}"?`,
    `If ${service} is another caller, name it at the top of the file: callers: [${service}]`,
  );
}

/** 'agent-1' and 'agent-12', 'web' and 'webs': what differs at the end alone is as likely another name as a slip. */
function isKin(one: string, other: string): boolean {
  const least = Math.min(one.length, other.length);
  let same = 0;
  while (same < least && one[same] === other[same]) same += 1;
  return same >= least - 1;
}

/** Services, and callers that are named anywhere. */
function namesIn({ services, outsideCallers }: StackConfig): ReadonlySet<string> {
  const ruled = services.flatMap(({ rules, mcp }) => [
    ...rules.flatMap(({ callers }) => callers ?? []),
    ...MCP_KINDS.flatMap((kind) => mcp?.[kind] ?? []).flatMap(({ callers }) => [...(callers ?? [])]),
  ]);
  return new Set([
    ...services.map(({ name }) => name),
    ...outsideCallers,
    // Bare, or as a principal. An id of another kind, which no key of ours proves, has a colon.
    ...ruled.map((id) => id.replace(/^service:/, '')).filter((id) => !id.includes(':')),
  ]);
}

function sayWhenStrange(config: StackConfig, service: string, { out }: Invocation): void {
  if (namesIn(config).has(service)) return;
  out.talk(
    `"${service}" is neither a service nor a caller of the configuration: add it to \`callers:\` to name it in rules`,
  );
}

export const USE: Readonly<Record<KeyKind, (id: string) => string>> = {
  sk: () => 'The caller sends it as `Authorization: Bearer …` or `x-api-key: …`.',
  hs: () => 'The caller signs with it: see `countersign sign --help`.',
  ed25519: (id) => `Only its public half is kept here. The caller signs HTTP messages with it, under keyid "${id}".`,
};

export async function keysImport(invocation: Invocation): Promise<number> {
  const service = serviceName(invocation);
  const kind = kindOption(invocation, null);
  const now = systemClock();
  const expiresAt = expiry(invocation, now);
  return atWork(invocation, async ({ config, store, record: taken }) => {
    await notMisspelt({ config, store }, service);
    if (invocation.dryRun) return wouldMake(invocation, 'import', service, kind, expiresAt);
    const secret =
      kind === 'ed25519'
        ? await textFromStdin(invocation, `the public key of ${service}`)
        : await secretFromStdin(invocation, `the key of ${service}`);
    const seal = sealOf(config, invocation);
    warnOfSeal(await requireKnownSeal(store, seal, kind, now), invocation);
    const { record, warning } = await importKey(store, seal, {
      service,
      kind,
      secret,
      expiresAt,
      now,
    });
    await taken(keyAct('key.imported', record));
    if (warning !== null) invocation.out.warn(warning);
    if (invocation.json) invocation.out.json(shown(record));
    else
      invocation.out.line(`imported  key ${record.id} of ${service} (…${record.lastFour}), ${endWords(record, now)}`);
    if (!invocation.json) sayWhenStrange(config, service, invocation);
    return EXIT.done;
  });
}

export async function keysRevoke(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [id] = invocation.positionals;
  return atUrgentWork(invocation, async ({ config, store, record: taken }) => {
    if (id !== undefined && !(await store.keys.get(id))) {
      throw refused(
        `there is no key with the id "${id}"`,
        'See `countersign keys list`. A key that is only in a file is revoked by giving it whole on standard input.',
      );
    }
    const presented = id ?? (await secretFromStdin(invocation, 'the key to revoke'));
    if (invocation.dryRun) {
      const found = await keyToRevoke(store, presented);
      if (invocation.json) out.json({ dry_run: true, id: found?.id ?? null, service: found?.service ?? null });
      else out.line(`would revoke  ${revokedWords(found)}`);
      return EXIT.done;
    }
    const { record, already } = await revokeKey(store, presented, systemClock());
    // What changes nothing is no event.
    if (!already) await taken(record ? keyAct('key.revoked', record) : { type: 'key.revoked', subject: '' });
    if (invocation.json) {
      const { id: known = null, service = null, kind = null } = record ?? {};
      out.json({
        id: known,
        service,
        kind,
        revoked: true,
        already,
        revoked_at: rfc3339OrNull(record?.revokedAt ?? null),
      });
      return EXIT.done;
    }
    const words = record ? revokedWords(record) : `${revokedWords(record)}; wherever it lies, it is dead`;
    out.line(`${already ? 'was revoked already' : 'revoked'}  ${words}`);
    // It is done, whatever cannot be read now.
    const isEnforced = await allEnforced({ config, store }, invocation, null).catch(() => true);
    if (!isEnforced && config.services.length > 0)
      out.talk('Where nothing is enforced, requests with it pass as those without a key do: countersign mode get');
    return EXIT.done;
  });
}

function revokedWords(record: KeyRecord | null): string {
  return record ? `key ${record.id} of ${record.service}` : 'a key that is in no record of the store';
}

function serviceName(invocation: Invocation): string {
  const [service = ''] = invocation.positionals;
  const fault = serviceIdFault(service);
  if (fault !== null) throw usage(fault);
  return service;
}

export function kindOption(invocation: Invocation, otherwise: 'sk' | 'hs' | null): KeyKind {
  const kind = invocation.text('kind') ?? otherwise;
  if (kind === 'sk' || kind === 'hs' || kind === 'ed25519') return kind;
  if (kind === null)
    throw usage(
      '--kind is needed, for the key does not tell',
      'sk: an API key. hs: an HMAC secret, for signatures. ed25519: the public half of a key pair.',
    );
  throw usage(`--kind is sk, hs or ed25519, not "${kind}"`);
}

function expiry(invocation: Invocation, now: number): number | null {
  const text = invocation.text('expires');
  return text === null ? null : now + durationSeconds(text, 'expires');
}

export function scopesOf(invocation: Invocation): readonly string[] {
  const scopes = invocation.texts('scope');
  // Whoever reads X-Auth-Scopes would take a scope with a space for two.
  if (!scopes.every((scope) => scopePattern.test(scope)))
    throw usage(`--scope: ${scopeRule}`, 'Several scopes: --scope ONE --scope ANOTHER');
  return scopes;
}

export function addresses(invocation: Invocation): readonly string[] {
  const cidrs = invocation.texts('allowed-ip');
  for (const cidr of cidrs) {
    const fault = cidrFault(cidr);
    if (fault !== null) throw usage(`--allowed-ip: ${fault}`);
  }
  return cidrs;
}

function wouldMake(
  invocation: Invocation,
  verb: string,
  service: string,
  kind: string,
  expiresAt: number | null,
): number {
  if (invocation.json) invocation.out.json({ dry_run: true, service, kind, expires_at: rfc3339OrNull(expiresAt) });
  else
    invocation.out.line(
      `would ${verb}  a key of kind ${kind} for ${service}, ${expiresAt === null ? 'without an end' : `until ${rfc3339(expiresAt)}`}`,
    );
  return EXIT.done;
}
