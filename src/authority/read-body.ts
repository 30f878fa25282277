import type { z } from 'zod';
import { bodyJson } from './body.ts';
import type { Exchange } from './exchange.ts';
import { refused, type Refused } from './refused.ts';
import { faultsOf } from './shape.ts';

/** The body of a request as the schema has it; every fault of it at once. */
export async function readBody<T extends z.ZodType>({ req, res }: Exchange, schema: T): Promise<z.infer<T> | Refused> {
  const body = await bodyJson(req, res);
  if (!body.ok) return refused(body.reason, body.words);
  const parsed = schema.safeParse(body.value);
  return parsed.success ? parsed.data : refused('bad_request', faultsOf(parsed.error));
}
