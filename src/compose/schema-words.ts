import { z } from 'zod';
import { durationPattern, sizePattern } from './quantities.ts';

/** Values that stand in many places of the configuration. */

const durationHint = { error: 'write a number and a unit: 60s, 5m, 24h or 90d' };
export const duration = z.union(
  [z.int().min(1, durationHint).max(999_999_999, durationHint), z.string().regex(durationPattern, durationHint)],
  durationHint,
);
const sizeHint = { error: 'write a number and a unit: 512KiB, 10MiB or 1GiB' };
export const size = z.union(
  [z.int().min(1, sizeHint).max(9_999_999_999, sizeHint), z.string().regex(sizePattern, sizeHint)],
  sizeHint,
);
export const count = z
  .int({ error: 'write a whole number' })
  .min(1, { error: 'write 1 or more' })
  .max(1_000_000_000, { error: 'write a smaller number' });
export const file = z.string().min(1, { error: 'write a path; a relative one starts at the folder of this file' });
