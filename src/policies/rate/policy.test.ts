import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '../../core/verdict.ts';
import type { Route } from '../../core/route.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { callerNamed, requestWith, routeWith } from '../../../test/fixtures/asked.ts';
import { ratePolicy } from './policy.ts';

const perCaller = { limit: 2, windowSeconds: 60, by: 'caller' } as const;
const perAddress = { limit: 2, windowSeconds: 60, by: 'address' } as const;
const aidb = callerNamed('service:aidb');

function limited() {
  let now = 1_000_000;
  const policy = ratePolicy({ limits: memoryStore().limits, clock: () => now });
  return {
    pass(seconds: number) {
      now += seconds;
    },
    async reason(principal: Principal, route: Route, remoteAddress = '10.0.0.7') {
      const objection = await policy.check(principal, requestWith({ remoteAddress }), route);
      return objection?.reason ?? null;
    },
    policy,
  };
}

test('a route without a limit is judged at once and counts nothing', () => {
  assert.equal(limited().policy.check(aidb, requestWith({}), routeWith({})), null);
});

test('a caller is refused above its limit, told when to come back, and passes in the next window', async () => {
  const { policy, reason, pass } = limited();
  const route = routeWith({ rateLimit: perCaller });
  assert.equal(await reason(aidb, route), null);
  pass(10);
  assert.equal(await reason(aidb, route), null);
  const objection = await policy.check(aidb, requestWith({}), route);
  assert.equal(objection?.reason, 'rate_limited');
  assert.equal(objection?.retryAfter, 50);
  pass(50);
  assert.equal(await reason(aidb, route), null);
});

test('one caller does not use up the limit of another', async () => {
  const { reason } = limited();
  const route = routeWith({ rateLimit: perCaller });
  for (let use = 0; use < 3; use += 1) await reason(aidb, route);
  assert.equal(await reason(aidb, route), 'rate_limited');
  assert.equal(await reason(callerNamed('service:other'), route), null);
});

test('by address, all callers of one address share, and an IPv6 client is its whole /64', async () => {
  const { reason } = limited();
  const route = routeWith({ rateLimit: perAddress });
  assert.equal(await reason(aidb, route, '2001:db8::1'), null);
  assert.equal(await reason(callerNamed('service:other'), route, '2001:db8::2'), null);
  assert.equal(await reason(aidb, route, '2001:db8:0:0:ffff::3'), 'rate_limited');
  assert.equal(await reason(aidb, route, '2001:db8:0:1::1'), null);
});

test('routes, services and the methods of one path count apart', async () => {
  const { reason } = limited();
  const rateLimit = { ...perCaller, limit: 1 };
  const routes = [
    routeWith({ rateLimit, methods: ['POST'] }),
    routeWith({ rateLimit, methods: ['GET'] }),
    routeWith({ rateLimit, label: '/other' }),
    routeWith({ rateLimit, service: 'aidb' }),
  ];
  for (const route of routes) assert.equal(await reason(aidb, route), null);
  for (const route of routes) assert.equal(await reason(aidb, route), 'rate_limited');
});

test('a reload, which makes new route objects, does not reset the count', async () => {
  const { reason } = limited();
  const rateLimit = { ...perCaller, limit: 1 };
  assert.equal(await reason(aidb, routeWith({ rateLimit })), null);
  assert.equal(await reason(aidb, routeWith({ rateLimit })), 'rate_limited');
});
