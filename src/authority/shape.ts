import { z } from 'zod';
import { cidrFault } from '../core/address.ts';
import { scopePattern, scopeRule } from '../core/scope.ts';

const scope = z.string({ error: 'must be a string' }).regex(scopePattern, { error: scopeRule });

const address = z
  .string({ error: 'must be a string such as 10.0.0.0/8' })
  .max(64)
  .superRefine((cidr, context) => {
    const fault = cidrFault(cidr);
    if (fault) context.addIssue({ code: 'custom', message: fault });
  });

const listMax = 64;

export const scopesSchema = z
  .array(scope, { error: 'must be a list of scopes' })
  .max(listMax, { error: `must be at most ${listMax} scopes` });

export const addressesSchema = z
  .array(address, { error: 'must be a list of addresses or CIDRs' })
  .max(listMax, { error: `must be at most ${listMax} addresses or CIDRs` });

/** Why, in the actor's words, for the audit. */
export const reasonSchema = z
  .string({ error: 'must be a text' })
  .max(500, { error: 'must be at most 500 characters' })
  .optional();

const count = z.coerce.number({ error: 'must be a number' }).int({ error: 'must be a whole number' });

/** Which part of a list is asked for, in a query. */
export const pageShape = {
  limit: count.min(1, { error: 'must be at least 1' }).max(1000, { error: 'must be at most 1000' }).default(100),
  after: count.min(0, { error: 'must not be negative' }).optional(),
  since: z.string().optional(),
};

/** What is wrong with a body, member by member, in words that say what to change. Values are not repeated. */
export function faultsOf(error: z.ZodError): string {
  return error.issues.slice(0, 5).map(faultOf).join('; ');
}

function faultOf(issue: z.core.$ZodIssue): string {
  const where = issue.path.reduce<string>(
    (before, part) => (typeof part === 'number' ? `${before}[${part}]` : `${before}${before && '.'}${String(part)}`),
    '',
  );
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.slice(0, 5).map((key) => JSON.stringify(key.slice(0, 64)));
    return `unknown member ${names.join(', ')}${where ? ` in ${where}` : ''}`;
  }
  if (where === '' && issue.code === 'invalid_type') return 'the body must be a JSON object';
  return where ? `${where}${where.endsWith(']') ? ':' : ''} ${issue.message}` : issue.message;
}
