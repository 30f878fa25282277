import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StackConfig } from '../../../compose/config.ts';
import { lookAtKeySources } from '../../../compose/wiring/key-sources.ts';
import { rotationRule, settleMillis } from '../../../compose/rotation.ts';
import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import { isInRedis, type KeyRecord } from '../../../core/credential.ts';
import type { Store } from '../../../core/store.ts';
import { lineageOf, type Lineage } from '../../../keys/lineage.ts';
import { keyAct } from '../../../keys/key-act.ts';
import { agoWords } from '../../../keys/use-words.ts';
import { finishRotation, keyToRotate } from '../../../keys/rotation/rotate.ts';
import { replaceable, rotateByHand, toFinish } from '../../../keys/rotation/rotate-by-hand.ts';
import { rotateInto } from '../../../keys/rotation/rotate-into.ts';
import { standingOf, type KeyTarget } from '../../../keys/targets/index.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds, inWords } from '../../duration.ts';
import { codeOf, EXIT, refused, usage } from '../../failure.ts';
import { placeOption } from './key-place.ts';
import { atWork, sealOf, type Workplace } from '../../workplace.ts';
import { deliveredWords, lastUse, shown, shownUse, useCell } from './views.ts';
import { kindOption, USE } from './keys.ts';
import { rotateAllDue } from './rotate-due.ts';
import { withRotationLease } from './rotation-lease.ts';

/** As long a new key may be on its way to standard output; later it counts as lost. */
const handOverSeconds = 10;

interface Rotating {
  readonly invocation: Invocation;
  readonly config: StackConfig;
  readonly store: Store;
  readonly taken: Workplace['record'];
  readonly key: KeyRecord;
  readonly records: readonly KeyRecord[];
  readonly lineage: Lineage;
  readonly graceSeconds: number;
  /** Of the new key; undefined for as long as the old one was meant to live. */
  readonly expiresAt: number | undefined;
}

export async function keysRotate(invocation: Invocation): Promise<number> {
  const [name] = invocation.positionals;
  checkOptions(invocation, name);
  if (name === undefined) return rotateAllDue(invocation);
  const graceSeconds = durationSeconds(invocation.text('grace') ?? '24h', 'grace');
  const expiresText = invocation.text('expires');
  const expires = expiresText === null ? null : durationSeconds(expiresText, 'expires');
  const kind = invocation.text('kind') === null ? null : kindOption(invocation, null);
  return atWork(invocation, async ({ config, store, record: taken }) => {
    const look = async (): Promise<Rotating> => {
      const now = systemClock();
      const records = await store.keys.list();
      const lineage = lineageOf(records, now);
      const key = await orExplained(config, name, () => keyToRotate(records, lineage, name, { kind, now }));
      const expiresAt = expires === null ? undefined : now + expires;
      return { invocation, config, store, taken, key, records, lineage, graceSeconds, expiresAt };
    };
    const work = await look();
    if (invocation.flag('finish')) return finish(work);
    const target = targetOption(invocation, config, work.key.service);
    if (target === null) return print(work);
    if (invocation.dryRun) return sayWould(work, target.name);
    return withRotationLease(store, invocation, async () => deliver(await look(), target));
  });
}

/** A key that lies in Redis or a file alone is rotated once it is in the store: only what is there can be given an end. */
async function orExplained(config: StackConfig, name: string, choose: () => KeyRecord): Promise<KeyRecord> {
  try {
    return choose();
  } catch (error) {
    if (codeOf(error) !== 'unknown_key') throw error;
    const { keys } = await lookAtKeySources(config);
    const found = keys.find(({ kind, service }) => kind === 'hs' && service === name);
    if (!found) throw error;
    const takeUp = `countersign keys import ${name} --kind hs`;
    throw refused(
      `the key of ${name} lies outside the store alone (${found.credentialId})`,
      `Take it up first, so that both count for a while: ${isInRedis(found.credentialId) ? `redis-cli get service:key:${name} | ${takeUp}` : `${takeUp}, with the key on standard input`}`,
    );
  }
}

function checkOptions(invocation: Invocation, name: string | undefined): void {
  const flags = ['finish', 'anew', 'deliver'].filter((flag) => invocation.flag(flag));
  const texts = ['to', 'kind', 'grace', 'expires'].filter((option) => invocation.text(option) !== null);
  const given = [...flags, ...texts].map((option) => `--${option}`);
  if (invocation.flag('due')) {
    if (name !== undefined || given.length > 0)
      throw usage('--due rotates all keys whose time has come, as the configuration says: it goes with nothing else');
    return;
  }
  if (name === undefined) throw usage('say which: the name of a caller, the id of a key, or --due');
  const apart = given.filter((option) => ['--finish', '--to', '--deliver'].includes(option));
  if (apart.length > 1) throw usage(`${apart.join(' and ')} exclude each other`);
  if (invocation.flag('anew') && apart.length > 0) throw usage(`--anew and ${apart[0]} exclude each other`);
}

function targetOption(invocation: Invocation, config: StackConfig, service: string): KeyTarget | null {
  const place = placeOption(invocation, config, service);
  if (place !== null || !invocation.flag('deliver')) return place;
  const { target } = rotationRule(config, service);
  if (target) return target;
  throw usage(
    `the configuration does not say where ${service} reads its key`,
    `Write there: deliver: { ${service}: { file: /etc/${service}/key } }`,
  );
}

/** To standard output: made, printed, and only then is the old key given its end. */
async function print(work: Rotating): Promise<number> {
  const { invocation, config, store, key, lineage, graceSeconds, expiresAt } = work;
  const { out } = invocation;
  const anew = invocation.flag('anew');
  const order = { store, clock: systemClock, lineage, anew };
  if (invocation.dryRun) {
    await replaceable(key, order).catch(explained(work));
    return sayWould(work, 'standard output');
  }
  const made = await rotateByHand(key, {
    ...order,
    seal: sealOf(config, invocation),
    settleMillis,
    ...(expiresAt !== undefined && { expiresAt }),
  }).catch(explained(work));
  const { record, old } = made;
  const replaced = lineage.previousOf(old);
  const uses = await store.usage.list([old, ...replaced].map(({ id }) => id));
  const ends = Math.min(old.expiresAt ?? Infinity, systemClock() + graceSeconds);
  const replaces = { id: old.id, ends_at: rfc3339(ends), last_used: shownUse(lastUse(old, uses)) };
  if (invocation.json) out.json({ ...shown(record), key: made.key, replaces });
  else out.line(made.key.trimEnd());
  // A reader that went away has not got it; it is told of a turn later.
  await nextTurn();
  if (out.gone)
    throw refused(
      `the new key ${record.id} reached nobody, and the old one stays as it was`,
      `Make another: countersign keys rotate ${old.id} --anew`,
    );
  await finishRotation(store, record.id, ends, systemClock());
  await work.taken(keyAct('key.rotated', record, { old_ends_at: rfc3339(ends) }));
  if (invocation.json) return EXIT.done;
  out.talk(`Made for ${record.service}: key ${record.id}, in place of ${old.id}. It is shown this once.`);
  out.talk(USE[record.kind](record.id));
  out.talk(`Both are accepted until ${rfc3339(ends)}; the old one was ${usedWords(old, uses, systemClock())}.`);
  for (const before of replaced)
    out.talk(
      `Key ${before.id}, which that one replaced, ends with it; it was ${usedWords(before, uses, systemClock())}.`,
    );
  return EXIT.done;
}

function usedWords(key: KeyRecord, uses: Parameters<typeof lastUse>[1], now: number): string {
  const use = lastUse(key, uses);
  return use ? `last used ${useCell(use, now)}` : 'not seen in use';
}

/** Why a second rotation has to wait, with the commands that end the first. */
function explained({ key, lineage }: Rotating): (error: unknown) => never {
  const remedies: Readonly<Record<string, string>> = {
    key_in_use: `Finish that: countersign keys rotate ${key.id} --finish`,
    rotation_pending: `If its caller has it: countersign keys rotate ${key.id} --finish. If it was lost, make another: --anew`,
    rotation_unfinished: `End it when nobody needs it: countersign keys retire ${lineage.previousOf(key)[0]?.id}. If the new key was lost, make another: --anew`,
  };
  return (error) => {
    const remedy = remedies[codeOf(error) ?? ''];
    if (remedy === undefined || !(error instanceof Error)) throw error;
    throw refused(error.message, remedy);
  };
}

/** The caller has the new key after all, or from elsewhere. */
async function finish({ invocation, store, taken, key, lineage, graceSeconds }: Rotating): Promise<number> {
  const pending = toFinish(key, lineage);
  const now = systemClock();
  const ends = now + graceSeconds;
  const record = invocation.dryRun ? pending : await finishRotation(store, pending.id, ends, now);
  if (!invocation.dryRun) await taken(keyAct('key.rotated', record, { old_ends_at: rfc3339(ends) }));
  if (invocation.json)
    invocation.out.json({ ...shown(record), replaces: { id: record.replaces, ends_at: rfc3339OrNull(ends) } });
  else
    invocation.out.line(
      `${invocation.dryRun ? 'would finish' : 'finished'}  key ${record.id} of ${record.service} is the current one; what it replaced is accepted until ${rfc3339(ends)} at most`,
    );
  return EXIT.done;
}

/** To where the caller reads it. Taken up again where an earlier attempt was broken off; done twice it changes nothing. */
async function deliver(work: Rotating, target: KeyTarget): Promise<number> {
  const { invocation, config, store, key, records, lineage, graceSeconds, expiresAt } = work;
  const { out } = invocation;
  const ofCaller = records.filter(({ service }) => service === key.service);
  const standing = await standingOf(target, key, lineage, ofCaller);
  if (standing === 'taken')
    throw refused(
      `${target.name} holds another key of ${key.service}, which its caller would lose`,
      'Name that key, or another place.',
    );
  const pending = lineage.pendingFor(key);
  const age = pending === null ? Infinity : systemClock() - pending.createdAt;
  if (standing !== 'pending' && age < handOverSeconds)
    throw refused(
      `key ${key.id} is being replaced since ${agoWords(age)}: the new one may be on its way`,
      'Try again in a moment.',
    );
  const already = standing === 'current' && lineage.previousOf(key).length > 0 && pending === null;
  const record = already
    ? await finishRotation(store, key.id, systemClock() + graceSeconds, systemClock())
    : await rotateInto(key, {
        store,
        seal: sealOf(config, invocation),
        clock: systemClock,
        target,
        settleMillis,
        graceSeconds,
        ...(expiresAt !== undefined && { expiresAt }),
      });
  if (!already) await work.taken(keyAct('key.rotated', record, { delivered_to: target.name }));
  const old = record.replaces === null ? null : await store.keys.get(record.replaces);
  const replaces = old && { id: old.id, ends_at: rfc3339OrNull(old.expiresAt) };
  if (invocation.json) out.json({ ...shown(record), delivered_to: target.name, already, replaces });
  else {
    const where =
      already || target.lifeSeconds === undefined ? target.name : deliveredWords(record, target, systemClock());
    out.advice(`${already ? 'is there already' : 'rotated'}  key ${record.id} of ${record.service} is in ${where}`);
    if (old?.expiresAt)
      out.talk(
        `The old one, ${old.id}, is accepted until ${rfc3339(old.expiresAt)} (${inWords(old.expiresAt - systemClock())}).`,
      );
    if (already && old)
      out.talk(
        `No other key was made, since that rotation is not over yet. To begin one: countersign keys retire ${old.id}`,
      );
  }
  return EXIT.done;
}

function sayWould({ invocation, key, graceSeconds }: Rotating, where: string): number {
  if (invocation.json) invocation.out.json({ dry_run: true, ...shown(key), to: where });
  else
    invocation.out.line(
      `would rotate  key ${key.id} of ${key.service} (${key.kind}); the new one goes to ${where}, the old one is accepted for ${inWords(graceSeconds)} more`,
    );
  return EXIT.done;
}
