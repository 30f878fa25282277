import { z } from 'zod';
import { settleMillis } from '../../compose/rotation.ts';
import type { Stack } from '../../compose/stack.ts';
import { rfc3339, rfc3339OrNull } from '../../core/clock.ts';
import type { KeyRecord } from '../../core/credential.ts';
import type { Act } from '../../core/event.ts';
import { createKey } from '../../keys/create.ts';
import { keyAct } from '../../keys/key-act.ts';
import { KeyError } from '../../keys/key-error.ts';
import { lineageOf, type Lineage } from '../../keys/lineage.ts';
import { retireKey } from '../../keys/rotation/retire.ts';
import { revokeKey } from '../../keys/revoke.ts';
import { rotateByHand, toFinish } from '../../keys/rotation/rotate-by-hand.ts';
import { finishRotation, keyToRotate } from '../../keys/rotation/rotate.ts';
import { actorOf } from '../actor.ts';
import type { Caller } from '../caller.ts';
import type { Exchange } from '../exchange.ts';
import type { Guards } from './guards.ts';
import { keyList, lastUseOf } from './overview.ts';
import { readBody } from '../read-body.ts';
import { isRefused, refused, type Refused } from '../refused.ts';
import type { Endpoints } from '../router.ts';
import { addressesSchema, reasonSchema, scopesSchema } from '../shape.ts';

/** The life of a key, as operators order it: by the very code that serves the command line. */
export function keyOrders({ shown, act, confirmed }: Guards): Endpoints {
  return {
    '/admin/api/keys': {
      GET: shown(async ({ stack }) => ({ keys: await keyList(stack) })),
      POST: confirmed(orRefused(create), 201),
    },
    '/admin/api/keys/:id': { DELETE: act(orRefused(revoke)) },
    '/admin/api/keys/:id/rotate': { POST: confirmed(orRefused(rotate), 201) },
    '/admin/api/keys/:id/finish': { POST: act(orRefused(finish)) },
    '/admin/api/keys/:id/retire': { POST: act(orRefused(retire)) },
  };
}

const days = z
  .number({ error: 'must be a number of days' })
  .positive({ error: 'must be more than 0' })
  .max(3650, { error: 'must be at most 3650' })
  .optional();
const hours = z
  .number({ error: 'must be a number of hours' })
  .min(0, { error: 'must not be negative' })
  .max(8760, { error: 'must be at most 8760' });
const yes = z.boolean({ error: 'must be true or false' }).default(false);

const createSchema = z.strictObject({
  service: z.string({ error: 'must be the name of a service or caller' }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, {
    error: 'has letters, digits, ".", "_" and "-", begins with a letter or digit and has at most 128 characters',
  }),
  kind: z.enum(['sk', 'hs', 'ed25519'], { error: 'must be sk, hs or ed25519' }).default('sk'),
  expires_in_days: days,
  scopes: scopesSchema.default([]),
  allowed_ips: addressesSchema.default([]),
  reason: reasonSchema,
});
const rotateSchema = z.strictObject({ anew: yes, expires_in_days: days, reason: reasonSchema });
const finishSchema = z.strictObject({ grace_hours: hours.default(24), reason: reasonSchema });
const retireSchema = z.strictObject({ unused_hours: hours.default(24), force: yes, reason: reasonSchema });
/** Scripts revoke without a body. */
const revokeSchema = z.strictObject({ reason: reasonSchema }).default({});

type Order = (exchange: Exchange, id: string, caller: Caller) => Promise<object | Refused>;

/** What the keys' own code objects to is said to the operator as it is. */
function orRefused(order: Order): Order {
  return async (...given) => {
    try {
      return await order(...given);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      return refused(error.code === 'unknown_key' ? 'not_found' : 'bad_request', error.message);
    }
  };
}

async function create(exchange: Exchange, _: string, caller: Caller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, createSchema);
  if (isRefused(body)) return body;
  const now = stack.clock();
  const { record, key } = await createKey(stack.store, stack.seal, {
    service: body.service,
    kind: body.kind,
    expiresAt: endIn(body.expires_in_days, now) ?? null,
    scopes: body.scopes,
    allowedIps: body.allowed_ips,
    now,
  });
  await taken(exchange, caller, keyAct('key.created', record), body.reason);
  return { ...keyOf(record), key };
}

/** Makes the new key and shows it once. The old one goes on as it was until `finish` is told that the caller has the new one. */
async function rotate(exchange: Exchange, id: string, caller: Caller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, rotateSchema);
  if (isRefused(body)) return body;
  const { store, seal, clock } = stack;
  const { records, lineage } = await kept(stack);
  // A name would do on the command line, where a person sees which key was taken for it.
  if (!records.some((record) => record.id === id)) return noSuchKey;
  const chosen = keyToRotate(records, lineage, id, { kind: null, now: clock() });
  const expiresAt = endIn(body.expires_in_days, clock());
  const { record, key, old } = await rotateByHand(chosen, {
    store,
    seal,
    clock,
    lineage,
    settleMillis,
    anew: body.anew,
    ...(expiresAt !== undefined && { expiresAt }),
  });
  await taken(exchange, caller, keyAct('key.rotation_begun', record), body.reason);
  const last = await lastUseOf(stack, old.id);
  return { ...keyOf(record), key, replaces: { id: old.id, expires_at: rfc3339OrNull(old.expiresAt), last_used: last } };
}

async function finish(exchange: Exchange, id: string, caller: Caller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, finishSchema);
  if (isRefused(body)) return body;
  const { records, lineage } = await kept(stack);
  const named = records.find((record) => record.id === id);
  if (!named) return noSuchKey;
  const now = stack.clock();
  const ends = now + body.grace_hours * 3600;
  const record = await finishRotation(stack.store, toFinish(named, lineage).id, ends, now);
  const act = keyAct('key.rotated', record, { old_ends_at: rfc3339(ends) });
  await taken(exchange, caller, act, body.reason);
  const old = record.replaces === null ? null : await stack.store.keys.get(record.replaces);
  return { ...keyOf(record), replaces: old && { id: old.id, expires_at: rfc3339OrNull(old.expiresAt) } };
}

async function retire(exchange: Exchange, id: string, caller: Caller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, retireSchema);
  if (isRefused(body)) return body;
  const { unused_hours: unused, force } = body;
  const options = { store: stack.store, now: stack.clock(), unusedSeconds: unused * 3600, force };
  const { record, already } = await retireKey(id, options);
  if (!already) await taken(exchange, caller, keyAct('key.retired', record, { forced: force }), body.reason);
  return ended(record);
}

async function revoke(exchange: Exchange, id: string, caller: Caller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, revokeSchema);
  if (isRefused(body)) return body;
  // A whole key is for standard input: it does not belong into a path.
  if (!(await stack.store.keys.get(id))) return noSuchKey;
  const { record, already } = await revokeKey(stack.store, id, stack.clock());
  if (!record) return noSuchKey;
  if (!already) await taken(exchange, caller, keyAct('key.revoked', record), body.reason);
  return ended(record);
}

const noSuchKey = refused('not_found', 'no key has this id');

async function kept({ store, clock }: Stack): Promise<{ records: readonly KeyRecord[]; lineage: Lineage }> {
  const records = await store.keys.list();
  return { records, lineage: lineageOf(records, clock()) };
}

function endIn(daysFromNow: number | undefined, now: number): number | undefined {
  return daysFromNow === undefined ? undefined : now + daysFromNow * 86_400;
}

async function taken(exchange: Exchange, caller: Caller, act: Act, reason: string | undefined): Promise<void> {
  await exchange.stack.trail.record({ ...act, reason: reason ?? null }, actorOf(exchange, caller));
}

function keyOf({ id, service, kind, expiresAt }: KeyRecord) {
  return { id, service, kind, expires_at: rfc3339OrNull(expiresAt) };
}

function ended({ id, service, revokedAt }: KeyRecord) {
  return { id, service, revoked_at: rfc3339OrNull(revokedAt) };
}
