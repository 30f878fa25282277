import { askedRoutes } from '../../../audit/report/asked-routes.ts';
import { counted } from '../../../audit/report/words.ts';
import type { StackConfig } from '../../../compose/config.ts';
import { readEnvironment } from '../../../compose/env.ts';
import { nearest } from '../../../core/text/nearest.ts';
import { routeModes } from '../../../compose/ramps/route-modes.ts';
import { isAllEnforced } from '../../../compose/ramps/ramped-routes.ts';
import { fileModes } from '../../../compose/ramps/file-modes.ts';
import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import { isMode, MODES } from '../../../core/mode.ts';
import { modes, type ModeLine, type Modes } from '../../../rollout/modes.ts';
import { routeName } from '../../../rollout/ramp/plan.ts';
import { storedRamp } from '../../../rollout/ramp/record.ts';
import type { Invocation } from '../../command.ts';
import { commandActor } from '../../command-actor.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { enforcedWords, lostEnforcement, rampInForce, rampWant } from '../../in-force.ts';
import { columns, type Style } from '../../output.ts';
import { atUrgentWork, atWork, type Workplace } from '../../workplace.ts';

const MODE_STYLE: Readonly<Record<string, Style>> = { off: 'red', report: 'yellow', enforce: 'green' };

export async function withModes<T>(
  { config, store }: Pick<Workplace, 'config' | 'store'>,
  { env }: Invocation,
  work: (levels: Modes) => Promise<T>,
): Promise<T> {
  const file = fileModes(() => config);
  const known = new Set(file.scopes().map(({ scope }) => scope));
  const levels = await modes({
    store,
    file,
    environment: readEnvironment(env).environment.mode,
    clock: systemClock,
    knows: (scope) => known.has(scope),
  });
  try {
    return await work(levels);
  } finally {
    levels.close();
  }
}

/** Every level that says something, and what a ramp makes of it. */
export function modesInForce(place: Pick<Workplace, 'config' | 'store'>, invocation: Invocation) {
  return withModes(place, invocation, async (levels) => {
    const state = await storedRamp(place.store.records, systemClock());
    const ground = { config: place.config, modes: levels, state };
    return {
      lines: levels.describe(),
      state,
      ramp: rampInForce(ground),
      want: rampWant(ground),
      lost: lostEnforcement(ground),
    };
  });
}

/** Every level that says something. */
export function describeModes(place: Pick<Workplace, 'config' | 'store'>, invocation: Invocation): Promise<ModeLine[]> {
  return withModes(place, invocation, async (levels) => levels.describe());
}

/** Rules, and what has none, that are judged and not enforced. */
export function routesInReport(place: Pick<Workplace, 'config' | 'store'>, invocation: Invocation) {
  return withModes(place, invocation, async (levels) =>
    routeModes(place.config, levels).filter(({ mode }) => mode === 'report'),
  );
}

/** Whether all of it is enforced by now, by modes or a ramp: of this service, with null of the stack. */
export function allEnforced(
  place: Pick<Workplace, 'config' | 'store'>,
  invocation: Invocation,
  service: string | null,
): Promise<boolean> {
  return withModes(place, invocation, async (levels) => {
    const state = await storedRamp(place.store.records, systemClock());
    return isAllEnforced({ config: place.config, modes: levels, state }, service);
  });
}

export async function modeGet(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const scope = scopeOf(invocation.positionals[0]);
  return atWork(invocation, async (place) => {
    knownOrRefused(place.config, scope);
    const { lines, state, ramp } = await modesInForce(place, invocation);
    const said = lines.filter((line) => scope === '' || line.scope === '' || covers(scope, line.scope));
    const ramped = ramp.enforces.filter((one) => covers(scope, one.scope) || covers(one.scope, scope));
    const [setAt, setBy] = [state?.orderedAt ?? null, state?.startedBy ?? null];
    const byRamp = ramped.map((one) => ({ ...one, mode: 'enforce', source: 'ramp', setAt, setBy }) as const);
    if (invocation.json) {
      out.json([...said, ...byRamp].map(shown));
      return EXIT.done;
    }
    const rows = [...said, ...byRamp].map((line) => [
      line.scope === '' ? '(the stack)' : line.scope,
      {
        text: 'callersPercent' in line ? enforcedWords(line.callersPercent) : line.mode,
        style: MODE_STYLE[line.mode] ?? 'bold',
      },
      line.source,
      line.setAt === null ? '' : `${rfc3339(line.setAt)} by ${line.setBy ?? ''}`,
    ]);
    for (const line of columns(['WHERE', 'MODE', 'SAYS', 'SET'], rows, out)) out.line(line);
    return EXIT.done;
  });
}

export async function modeSet(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [mode, words] = invocation.positionals;
  if (!isMode(mode)) throw usage(`the mode is ${MODES.join(', ')}; "${mode ?? ''}" is none of them`);
  const all = invocation.flag('all');
  if (all && words !== undefined) throw usage('--all means everything: name no service with it');
  const scope = scopeOf(words);
  // What a single place is called stands in the configuration.
  const work = scope === '' ? atUrgentWork : atWork;
  return work(invocation, (place) =>
    withModes(place, invocation, async (levels) => {
      // Before anything is set: a store that fails in between must not make what was done look undone.
      const refusedSoon = mode === 'enforce' ? await recentlyRefused(place, scope) : 0;
      if (!invocation.dryRun) {
        const by = commandActor(invocation.env).id;
        if (all) await levels.setAll(mode, by);
        else await levels.set(scope, mode, by);
        await place.record({ type: 'mode.set', subject: all ? '*' : scope, detail: { mode } });
      } else knownOrRefused(place.config, scope);
      if (invocation.json) out.json({ scope, mode, all, dry_run: invocation.dryRun });
      else
        out.line(
          `${invocation.dryRun ? 'would set  ' : ''}${out.paint(MODE_STYLE[mode] ?? 'bold', mode)}  ${all ? 'everywhere' : whereWords(scope)}`,
        );
      if (refusedSoon > 0)
        out.warn(
          `${counted(refusedSoon, 'request')} of the last 24 hours would be refused from now on; whose, and how to mend it: countersign report`,
        );
      if (mode === 'enforce' && scope === '' && !invocation.dryRun)
        out.talk('See it from outside: countersign probe. Back: countersign mode set report --all');
      const above = levels
        .describe()
        .filter((line) => line.scope !== scope && covers(scope, line.scope) && line.mode !== mode);
      if (!all && !invocation.dryRun && above.length > 0) {
        out.talk(
          `More specific levels still say otherwise: ${above.map((line) => `${line.scope} ${line.mode}`).join(', ')}. With --all this mode would hold everywhere.`,
        );
      }
      return EXIT.done;
    }),
  );
}

/** How many requests of the last day passed, in report, that enforcing would have refused. */
async function recentlyRefused({ store }: Pick<Workplace, 'store'>, scope: string): Promise<number> {
  const now = systemClock();
  const { refusals } = await askedRoutes(store, { since: now - 86_400, until: now + 1 });
  const meant = refusals.filter(
    ({ service, route }) => scope === '' || service === scope || routeName(service, route) === scope,
  );
  return meant.reduce((sum, { count }) => sum + count, 0);
}

export async function modeReset(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const all = invocation.flag('all');
  const [named] = invocation.positionals;
  if (all && named !== undefined) throw usage('--all means every level: name no service with it');
  const scope = scopeOf(named);
  return atWork(invocation, (place) =>
    withModes(place, invocation, async (levels) => {
      if (!invocation.dryRun) {
        await levels.clear(all ? null : scope);
        await place.record({ type: 'mode.reset', subject: all ? '*' : scope });
      }
      if (invocation.json)
        out.json({ scope: all ? null : scope, dry_run: invocation.dryRun, modes: levels.describe().map(shown) });
      else
        out.line(
          `${invocation.dryRun ? 'would reset' : 'reset'}  ${all ? 'every level' : whereWords(scope)}: the file counts again`,
        );
      const state = await storedRamp(place.store.records, systemClock());
      const ramped = rampInForce({ config: place.config, modes: levels, state }).enforces.filter(
        (one) => covers(scope, one.scope) || covers(one.scope, scope),
      );
      const words = ramped.map((one) => `${one.scope} ${enforcedWords(one.callersPercent)}`).join(', ');
      if (!invocation.dryRun && words !== '') out.talk(`The ramp enforces what the file reports: ${words}`);
      return EXIT.done;
    }),
  );
}

/** 'embeddings/embed/' and '/embeddings' are slips with one meaning. */
function scopeOf(words: string | undefined): string {
  if (words === undefined || words === 'stack') return '';
  return words.replace(/^\/+/, '').replace(/(?<=.)\/$/, '');
}

function covers(scope: string, other: string): boolean {
  return scope === '' || other === scope || other.startsWith(`${scope}/`);
}

function knownOrRefused(config: StackConfig, scope: string): void {
  const scopes = fileModes(() => config).scopes();
  if (scope === '' || scopes.some((known) => covers(scope, known.scope))) return;
  const meant = nearest(
    scope,
    scopes.map((known) => known.scope),
  );
  throw refused(`no service or route "${scope}" is configured`, meant === null ? null : `Did you mean "${meant}"?`);
}

function whereWords(scope: string): string {
  return scope === '' ? 'the stack' : scope;
}

function shown(line: Omit<ModeLine, 'source'> & { source: string; callersPercent?: number }): Record<string, unknown> {
  return {
    scope: line.scope,
    mode: line.mode,
    source: line.source,
    ...(line.callersPercent !== undefined && { callers_percent: line.callersPercent }),
    set_by: line.setBy,
    set_at: rfc3339OrNull(line.setAt),
  };
}
