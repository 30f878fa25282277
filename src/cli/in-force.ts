import type { StackConfig } from '../compose/config.ts';
import { rampGround } from '../compose/ramps/ramp-file.ts';
import { isAllEnforced, rampedRoutes, type RampedRoutesOptions } from '../compose/ramps/ramped-routes.ts';
import { routeModes, type RouteMode } from '../compose/ramps/route-modes.ts';
import { shellWord } from '../core/text/shell-word.ts';
import type { Modes } from '../rollout/modes.ts';
import { meansRoute, routeName } from '../rollout/ramp/plan.ts';
import type { RampState } from '../rollout/ramp/state.ts';

/** What a ramp enforces although the mode says report. */
export interface RampInForce {
  /** A service where all of it is enforced alike, else its routes one by one: 'embeddings', 'embeddings/embed', 'embeddings/*'. */
  readonly enforces: readonly { readonly scope: string; readonly callersPercent: number }[];
  /** Whether that leaves nothing that is not enforced, at any service. */
  readonly isAll: boolean;
}

type Ground = RampedRoutesOptions & { readonly config: StackConfig };

export function rampInForce(ground: Ground): RampInForce {
  const unenforced = Map.groupBy(notEnforced(ground), ({ service }) => service);
  const ramped = Map.groupBy(rampedRoutes(ground), ({ service }) => service);
  const enforces = [...ramped].flatMap(([service, routes]) => {
    const [first] = routes;
    const alike = routes.every(({ percent }) => percent === first?.percent);
    if (first && alike && routes.length === unenforced.get(service)?.length)
      return [{ scope: service, callersPercent: first.percent }];
    return routes.map(({ label, percent }) => ({ scope: routeName(service, label), callersPercent: percent }));
  });
  return { enforces, isAll: enforces.length > 0 && isAllEnforced(ground) };
}

/** What of one service; '' for nothing. */
export function rampWords({ enforces }: RampInForce, service: string): string {
  const own = enforces.filter(({ scope }) => scope === service || scope.startsWith(`${service}/`));
  const [first] = own;
  if (!first) return '';
  return first.scope === service
    ? `${enforcedWords(first.callersPercent)}, by the ramp`
    : `report, and by the ramp ${own.map(({ scope, callersPercent }) => `${scope} ${enforcedWords(callersPercent)}`).join(', ')}`;
}

export function enforcedWords(callersPercent: number): string {
  return `enforce ${callersPercent} %`;
}

/** Why somebody has to look at a ramp; null where it goes on by itself, is through, or was overruled by hand since. */
export function rampWant(ground: Ground): string | null {
  const { state } = ground;
  if (state === null || state.status === 'running' || state.status === 'finished') return null;
  const { plan, status, step, findings } = state;
  if (status === 'withdrawn' && !leftInReport(ground, state)) return null;
  const where = status === 'withdrawn' ? '' : ` at step ${step + 1}`;
  const why = findings.length === 0 ? '' : `: ${findings.join('; ')}`;
  return `the ramp "${plan.name}" is ${status}${where}${why}; see: countersign ramp status`;
}

/** Whether nothing of what its steps enforce is enforced, since somebody has set a mode by hand after them. */
export function isOverruled(ground: Ground & { readonly state: RampState }): boolean {
  const globs = enforcedGlobs(ground.state);
  return (
    rampedRoutes(ground).length === 0 &&
    notEnforced(ground).some(({ service, label }) => meansRoute(globs, service, label))
  );
}

/** Whether what it was to enforce is in report still, and nobody has said since that it is to stay so. */
function leftInReport(ground: Ground, { plan, orderedAt }: RampState): boolean {
  const globs = plan.steps.flatMap(({ routes }) => routes);
  return notEnforced(ground).some(
    ({ service, label, mode }) =>
      mode === 'report' &&
      meansRoute(globs, service, label) &&
      (ground.modes.loweredAt(service, label) ?? -Infinity) < orderedAt,
  );
}

/** What was to be enforced under a name that nothing has any more; under its new one it passes whom it refused. */
export interface LostEnforcement {
  readonly byMode: readonly string[];
  /** Nobody takes a single route out of a ramp that is through. */
  readonly byRamp: readonly string[];
}

export function lostEnforcement(ground: Ground & { readonly modes: Modes }): LostEnforcement {
  const { config, modes, state } = ground;
  if (rampInForce(ground).isAll || notEnforced(ground).length === 0) return { byMode: [], byRamp: [] };
  const scopes = config.services.flatMap(({ name, rules }) => [name, ...rules.map(({ path }) => name + path)]);
  const known = new Set(['', ...scopes]);
  const lost = modes
    .describe()
    .filter(({ scope, mode, source }) => mode === 'enforce' && source === 'run-time' && !known.has(scope));
  const { routes } = rampGround(config, 0);
  const globs = state ? enforcedGlobs(state) : [];
  const meansNone = (glob: string): boolean => !routes.some(({ service, label }) => meansRoute([glob], service, label));
  return {
    byMode: lost.map(
      ({ scope }) => `${scope} is enforced, and ${gone}, then: countersign mode reset ${shellWord(scope)}`,
    ),
    byRamp: [...new Set(globs)].filter(meansNone).map((glob) => `the ramp enforces ${glob}, and ${gone}`),
  };
}

function enforcedGlobs({ plan, steps }: RampState): string[] {
  return plan.steps.flatMap(({ routes }, index) =>
    steps[index] === 'enforced' || steps[index] === 'passed' ? routes : [],
  );
}

const gone = 'nothing is called so any more: if it has another name, countersign mode set enforce NAME';

function notEnforced({ config, modes }: Ground): readonly RouteMode[] {
  return routeModes(config, modes).filter(({ mode }) => mode !== 'enforce');
}
