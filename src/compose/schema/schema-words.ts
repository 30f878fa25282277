import { z } from 'zod';
import { scopePattern } from '../../core/scope.ts';
import { durationPattern, sizePattern } from './quantities.ts';

/** The small words of the configuration file, of which schema.ts is made. */

export const servicePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
export const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;
const hostPattern = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

export const mode = z.enum(['off', 'report', 'enforce']);
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
export const listen = z.string({ error: 'write host and port: 127.0.0.1:8700' });
export const host = z
  .string()
  .regex(hostPattern, { error: 'write a host name in lower case, without scheme and port: tools.example.org' });
export const authority = z.string().regex(/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/, {
  error: 'write a host in lower case as callers do, with the port if it is not that of the scheme: tools.internal:8081',
});
export const cidr = z.string({ error: 'write an address or CIDR: 10.0.0.0/8' });
export const file = z.string().min(1, { error: 'write a path; a relative one starts at the folder of this file' });
export const service = z.string().regex(servicePattern, {
  error: 'a name has letters, digits, ".", "_" and "-", begins with a letter or digit and has at most 128 characters',
});
export const scope = z.string().regex(scopePattern, { error: 'a scope has no spaces or quotes: embed:write' });
export const method = z
  .string()
  .regex(/^[A-Z][A-Z0-9_-]{0,31}$/, { error: 'write methods in upper case: [GET, POST]' });

export function some<T extends z.ZodType>(item: T, meaningOfNone: string) {
  return z.array(item).min(1, { error: `list at least one, or leave the key out for ${meaningOfNone}` });
}
