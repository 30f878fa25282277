import type { StackConfig } from '../../../compose/config.ts';
import { lookAtKeySources } from '../../../compose/wiring/key-sources.ts';
import { rotationRule } from '../../../compose/rotation.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import { endingCertificateIn } from '../../../compose/wiring/ending-certificate.ts';
import { succeeds } from '../../../audit/report/ending-keys.ts';
import { isInRedis, rotateCommand, type KeyRecord, type KeyUse } from '../../../core/credential.ts';
import { listed } from '../../../core/listed.ts';
import type { Store } from '../../../core/store.ts';
import type { FoundKey } from '../../../keys/sources/index.ts';
import { endElsewhereWords, endsElsewhere } from '../../../keys/ends-elsewhere.ts';
import { lineageOf } from '../../../keys/lineage.ts';
import { rotationsWanting } from '../../../keys/rotation/rotations-wanting.ts';
import { agoWords, useWords } from '../../../keys/use-words.ts';
import type { RampStatus } from '../../../rollout/ramp/state.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds, inWords } from '../../duration.ts';
import { EXIT } from '../../failure.ts';
import { enforcedWords, type RampInForce } from '../../in-force.ts';
import { atWork, sealOf } from '../../workplace.ts';
import { modesInForce } from '../mode/mode.ts';
import { unopened } from './unopened.ts';

/** All of them: countersign mode get. */
const rampedShown = 10;

interface Status {
  readonly config: string;
  readonly store: { readonly kind: string; readonly reachable: boolean };
  readonly modes: readonly { readonly scope: string; readonly mode: string; readonly source: string }[];
  /** Null where there has been none. */
  readonly ramp: {
    readonly name: string;
    readonly status: RampStatus;
    /** From 1: the one under way, or to be taken up again. */
    readonly step: number;
    readonly steps: number;
    /** What the modes only report. */
    readonly enforces: readonly { readonly scope: string; readonly callers_percent: number }[];
  } | null;
  readonly services: number;
  readonly keys: {
    readonly active: number;
    readonly expired: number;
    readonly revoked: number;
    /** In key files, revoked ones included. */
    readonly in_files: number;
    /** As `service:key:<id>`. */
    readonly in_redis: number;
  };
  readonly tokens: { readonly active: number };
  readonly expiring: readonly { readonly id: string; readonly service: string; readonly expires_at: string }[];
  /** What is wanting; empty when all is in order. */
  readonly wanting: readonly string[];
  /** Worth knowing, but nothing to mend at once. */
  readonly notes: readonly string[];
}

const tokensCounted = 10_000;
/** Seconds: an old key that was used so lately is still somebody's. */
const usedLately = 86_400;

/** Exit 1 when something is wanting, so that a monitor can ask. */
export async function status(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const soon = durationSeconds(invocation.text('expiring-within') ?? '14d', 'expiring-within');
  const found = await atWork(invocation, ({ config, store }) => examine(config, store, soon, invocation));
  if (invocation.json) out.json(found);
  else for (const line of statusLines(found, invocation)) out.advice(line);
  return found.wanting.length === 0 ? EXIT.done : EXIT.refused;
}

async function examine(config: StackConfig, store: Store, soon: number, invocation: Invocation): Promise<Status> {
  const now = systemClock();
  await store.ping();
  const records = await store.keys.list();
  const alive = records.filter((record) => isActive(record, now));
  const expiring = alive.filter((record) => record.expiresAt !== null && record.expiresAt - now <= soon);
  const { lines: modes, state, ramp, want, lost } = await modesInForce({ config, store }, invocation);
  const uses = await store.usage.list();
  const shut = unopened(alive, () => sealOf(config, invocation));
  const wanting = [
    ...(want === null ? [] : [want]),
    ...lost.byMode,
    ...shut.wanting,
    ...ended(records, uses, now),
    ...endings({ records, expiring, uses, now }),
    ...rotationsWanting({ records, uses, now, ruleOf: (service) => rotationRule(config, service) }),
  ];
  const stackMode = modes.find((line) => line.scope === '')?.mode ?? config.mode;
  const sources = await lookAtKeySources(config);
  wanting.push(...outdated(records, sources.keys, now));
  for (const key of endsElsewhere(sources.keys))
    if (key.expiresAt - now <= soon) wanting.push(endElsewhereWords(key, now));
  const inRedis = sources.keys.filter(({ credentialId }) => isInRedis(credentialId)).length;
  const tokens = (await store.tokens.listActive(now, tokensCounted)).length;
  if (alive.length + sources.keys.length + tokens === 0 && stackMode === 'enforce')
    wanting.push(
      'there is neither a key nor a session token and the mode is enforce: every call is refused. Make a key: countersign keys create SERVICE',
    );
  return {
    config: invocation.configFile,
    store: { kind: store.kind, reachable: true },
    modes: modes.map(({ scope, mode, source }) => ({ scope, mode, source })),
    ramp: state && {
      name: state.plan.name,
      status: state.status,
      step: state.step + 1,
      steps: state.steps.length,
      enforces: ramp.enforces.map(({ scope, callersPercent }) => ({ scope, callers_percent: callersPercent })),
    },
    services: config.services.length,
    keys: {
      active: alive.length,
      expired: records.filter((record) => record.revokedAt === null && !isActive(record, now)).length,
      revoked: records.filter((record) => record.revokedAt !== null).length,
      in_files: sources.keys.length - inRedis,
      in_redis: inRedis,
    },
    tokens: { active: tokens },
    expiring: expiring.map(({ id, service, expiresAt }) => ({ id, service, expires_at: rfc3339(expiresAt ?? now) })),
    wanting: [
      ...config.warnings,
      ...(await store.warnings()),
      ...sources.warnings,
      ...endingCertificates(config, now),
      ...wanting,
    ],
    notes: [
      ...(stackMode === 'enforce' ? [] : [`the stack is in mode ${stackMode}${passing(ramp)}`]),
      ...lost.byRamp,
      ...shut.notes,
    ],
  };
}

/** Those that are shown to callers and to services; what is kept by the internal CA among them renews itself. */
function endingCertificates({ tls, adminTls, services }: StackConfig, now: number): string[] {
  const files = [tls?.cert, adminTls?.cert, ...services.map((service) => service.tls?.cert)];
  return [...new Set(files)].flatMap((file) => (file ? (endingCertificateIn(file, now) ?? []) : []));
}

function passing({ enforces, isAll }: RampInForce): string {
  if (isAll) return ', and the ramp enforces all of it';
  const where = enforces.length === 0 ? '' : 'where the ramp does not enforce, ';
  return `: ${where}what enforce would refuse still passes; see \`countersign report\``;
}

interface Endings {
  readonly records: readonly KeyRecord[];
  readonly expiring: readonly KeyRecord[];
  readonly uses: readonly KeyUse[];
  readonly now: number;
}

/** Whoever verifies by what lies in Redis knows one key of each caller: after a rotation that did not go there, the wrong one. */
function outdated(records: readonly KeyRecord[], found: readonly FoundKey[], now: number): string[] {
  const lineage = lineageOf(records, now);
  const byDigest = new Map(records.map((record) => [record.digest, record]));
  return found.flatMap(({ kind, credentialId, service, digest }) => {
    if (kind !== 'hs' || credentialId !== `redis:${service}`) return [];
    const same = byDigest.get(digest);
    const record = same?.service === service ? same : undefined;
    const current = record && lineage.currentFor(record);
    if (!current) return [];
    return [
      `service:key:${service} in Redis holds key ${record.id}, which ${current.id} has replaced: verifiers that read it refuse the new one: countersign keys rotate ${service} --to redis`,
    ];
  });
}

/** What ended while it was somebody's, who was given no other one of the kind since. */
function ended(records: readonly KeyRecord[], uses: readonly KeyUse[], now: number): string[] {
  const alive = records.filter((record) => isActive(record, now));
  const since = now - usedLately;
  // Of several the last one counts.
  const inOrder = uses.filter(({ lastUsed }) => lastUsed > since).toSorted((a, b) => a.lastUsed - b.lastUsed);
  const lately = new Map(inOrder.map((use) => [use.credentialId, use]));
  return records.flatMap((record) => {
    const { id, service, kind, expiresAt, revokedAt } = record;
    const use = lately.get(id);
    if (!use || expiresAt === null || expiresAt > now || revokedAt !== null) return [];
    if (alive.some((other) => succeeds(other, record, now))) return [];
    return [
      `key ${id} of ${service} ended ${agoWords(now - expiresAt)} and nothing replaced it; it was last used ${useWords(use, now)}: countersign keys create ${service} --kind ${kind}`,
    ];
  });
}

/** What ends soon without a successor, and what was replaced and is used all the same. */
function endings({ records, expiring, uses, now }: Endings): string[] {
  const lineage = lineageOf(records, now);
  const alive = records.filter((record) => isActive(record, now));
  return expiring.flatMap((record) => {
    const left = inWords((record.expiresAt ?? now) - now);
    if (lineage.stageOf(record) === 'previous') {
      const use = uses.find(({ credentialId, lastUsed }) => credentialId === record.id && now - lastUsed < usedLately);
      return use
        ? [`old key ${record.id} of ${record.service} ends in ${left} and is still used, ${useWords(use, now)}`]
        : [];
    }
    if (alive.some((other) => succeeds(other, record, now))) return [];
    return [`key ${record.id} of ${record.service} ends in ${left} and has no successor: ${rotateCommand(record)}`];
  });
}

function isActive(record: KeyRecord, now: number): boolean {
  return record.revokedAt === null && (record.expiresAt === null || record.expiresAt > now);
}

function statusLines(found: Status, { out }: Invocation): string[] {
  const row = (name: string, text: string): string => `${out.paint('dim', name.padEnd(8))}  ${text}`;
  const { keys, tokens, store, ramp } = found;
  const modes = found.modes.map(({ scope, mode }) => `${scope === '' ? 'the stack' : scope} ${mode}`);
  const byRamp = (ramp?.enforces ?? []).map((one) => `${one.scope} ${enforcedWords(one.callers_percent)}`);
  const lines = [
    row('config', `${found.config}, ${found.services} service${found.services === 1 ? '' : 's'}`),
    row('store', `${store.kind}, reachable`),
    row('modes', `${modes.join(', ')}${byRamp.length === 0 ? '' : `; by the ramp: ${listed(byRamp, rampedShown)}`}`),
    ...(ramp ? [row('ramp', `${ramp.status} "${ramp.name}", ${stepWords(ramp)}`)] : []),
    row(
      'keys',
      `${keys.active} active, ${keys.expired} expired, ${keys.revoked} revoked; ${keys.in_files} in files${keys.in_redis === 0 ? '' : `, ${keys.in_redis} in Redis`}`,
    ),
    row('tokens', `${tokens.active}${tokens.active === tokensCounted ? ' or more' : ''} active`),
  ];
  for (const note of found.notes) lines.push(row('note', note));
  for (const want of found.wanting) lines.push(row('wanting', out.paint('yellow', want)));
  if (found.wanting.length === 0) lines.push(out.paint('green', 'all in order'));
  return lines;
}

function stepWords(ramp: NonNullable<Status['ramp']>): string {
  if (ramp.status === 'finished' || ramp.status === 'withdrawn')
    return `${ramp.steps} step${ramp.steps === 1 ? '' : 's'}`;
  return `step ${ramp.step} of ${ramp.steps}`;
}
