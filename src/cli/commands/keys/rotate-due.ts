import { rotationRule, settleMillis } from '../../../compose/rotation.ts';
import { systemClock } from '../../../core/clock.ts';
import { keyAct } from '../../../keys/key-act.ts';
import { lineageOf } from '../../../keys/lineage.ts';
import { dutyWords, isDue, rotateDue } from '../../../keys/rotation/rotate-due.ts';
import type { Invocation } from '../../command.ts';
import { EXIT } from '../../failure.ts';
import { atWork, sealOf, type Workplace } from '../../workplace.ts';
import { shown } from './views.ts';
import { withRotationLease } from './rotation-lease.ts';

/** What a running server does by itself, once and now. Exit 1 when something is left for somebody to do. */
export async function rotateAllDue(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async (place) => {
    if (invocation.dryRun) return sayDue(place, invocation);
    const { config, store, record } = place;
    const duties = await withRotationLease(store, invocation, (mayGoOn) =>
      rotateDue({
        store,
        seal: sealOf(config, invocation),
        clock: systemClock,
        ruleOf: (service) => rotationRule(config, service),
        settleMillis,
        mayGoOn,
      }),
    );
    for (const duty of duties) {
      if (duty.kind === 'rotated') await record(keyAct('key.rotated', duty.by));
      if (duty.kind === 'retired') await record(keyAct('key.retired', duty.key));
    }
    if (invocation.json)
      out.json(
        duties.map((duty) => ({
          done: duty.kind,
          ...shown(duty.key),
          replaced_by: duty.kind === 'rotated' ? duty.by.id : null,
          why: duty.kind === 'failed' ? duty.why : null,
        })),
      );
    for (const duty of duties) if (!invocation.json) out.advice(`${duty.kind}  ${dutyWords(duty)}`);
    if (duties.length === 0) out.talk('Nothing is due.');
    return duties.some(({ kind }) => kind === 'due' || kind === 'failed') ? EXIT.refused : EXIT.done;
  });
}

async function sayDue({ config, store }: Workplace, { out, json }: Invocation): Promise<number> {
  const now = systemClock();
  const all = await store.keys.list();
  const lineage = lineageOf(all, now);
  const due = all.filter((key) => {
    const rule = rotationRule(config, key.service);
    return rule.everySeconds !== null && lineage.stageOf(key) === 'current' && isDue(key, rule, now);
  });
  if (json) out.json({ dry_run: true, due: due.map(shown) });
  else for (const key of due) out.line(`would rotate  key ${key.id} of ${key.service}`);
  return EXIT.done;
}
