import type { Mode, RampedRoute, RampShare, Service } from './shapes.ts';

/** What really happens to callers: the mode, unless a ramp enforces what it only reports. */
export interface InForce {
  readonly mode: Mode;
  /** What the ramp has to do with it; null: nothing. */
  readonly byRamp: string | null;
}

export function inForce(mode: Mode, ramp: RampShare | null): InForce {
  if (mode !== 'report' || ramp === null) return { mode, byRamp: null };
  return ramp.percent === 100
    ? { mode: 'enforce', byRamp: 'by the ramp' }
    : { mode, byRamp: `enforced by the ramp for ${ramp.percent} % of the callers` };
}

interface Ramped {
  readonly mode: Mode;
  readonly ramp: RampShare | null;
}

/** Of a service as a whole: of its rules that are judged, and of what has no rule. */
export function serviceInForce({ mode, ramp, routes }: Service): InForce {
  const judged: readonly Ramped[] = [{ mode, ramp }, ...routes.filter(({ access }) => access !== 'public')];
  const shares = judged.flatMap((route) => (route.mode === 'report' && route.ramp ? [route.ramp] : []));
  const [first] = shares;
  if (first === undefined) return { mode, byRamp: null };
  const isLike = ({ mode: own, ramp: share }: Ramped): boolean => own === 'report' && share?.percent === first.percent;
  const isWhole = first.percent === 100 && judged.every((route) => route.mode === 'enforce' || isLike(route));
  if (isWhole || judged.every(isLike)) return inForce('report', first);
  return { mode, byRamp: `${shares.length} of ${judged.length} routes enforced by the ramp` };
}

/** Of a level of the modes, by what the ramp enforces below it. */
export function levelInForce(scope: string, mode: Mode, ramped: readonly RampedRoute[]): InForce {
  const below = ramped.filter(({ service, path }) => scope === '' || scope === service || scope === service + path);
  const [first] = below;
  if (mode !== 'report' || first === undefined) return { mode, byRamp: null };
  if (scope.includes('/')) return inForce(mode, first);
  return { mode, byRamp: `${below.length} of its routes enforced by the ramp` };
}
