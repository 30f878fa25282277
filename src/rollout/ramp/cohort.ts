import { sha256Hex } from '../../crypto/digest.ts';

/** Bounded, since strangers make up names. */
const rememberedMax = 10_000;

/**
 * Where callers stand between 0 and 100: always the same for one ramp, and another for the next. Whoever is below a step's
 * percentage is among the first.
 */
export function cohort(salt: string): (caller: string) => number {
  const places = new Map<string, number>();
  return (caller) => {
    const known = places.get(caller);
    if (known !== undefined) return known;
    const place = (Number.parseInt(sha256Hex(`${salt}\n${caller}`).slice(0, 8), 16) / 0x1_0000_0000) * 100;
    if (places.size >= rememberedMax) places.clear();
    places.set(caller, place);
    return place;
  };
}
