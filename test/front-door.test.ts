/** What the package `countersign` itself is for: a guard with a scheme and a policy of one's own, and no more imports than that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as countersign from '../src/index.ts';
import type { AuthRequest, GuardedService, Policy, Principal, Scheme } from '../src/index.ts';

const { allow, createGuard, deny, denyPrincipal, routeTable } = countersign;

test('the front door names no more and no less than it did', () => {
  assert.deepEqual(Object.keys(countersign).sort(), [
    'MODES',
    'REASONS',
    'addressList',
    'allow',
    'authoritySource',
    'createGuard',
    'deny',
    'denyPrincipal',
    'routeTable',
  ]);
});

const ana: Principal = {
  id: 'operator:ana',
  scheme: 'badge',
  credentialId: 'badge-7',
  scopes: ['read'],
  expiresAt: null,
  addresses: null,
};

const badge: Scheme = {
  name: 'badge',
  authenticate(request) {
    const [shown] = request.fields('x-badge');
    if (shown === undefined) return null;
    return shown === '7' ? allow(ana) : deny('invalid_credentials', 'no such badge', { scheme: 'badge' });
  },
  challenge: ({ reason }) => (reason === 'not_allowed' ? null : 'Badge'),
};

const officeHours: Policy = {
  name: 'office-hours',
  check: (principal, { path }) =>
    path === '/night' ? denyPrincipal(principal, 'not_allowed', 'nobody may at night') : null,
};

function requestFor(path: string, fields: Readonly<Record<string, string>>): AuthRequest {
  return {
    method: 'GET',
    target: path,
    path,
    service: 'door',
    authority: 'door.example',
    protocol: 'https',
    remoteAddress: '192.0.2.7',
    requestId: 'r1',
    fields: (name) => (fields[name] === undefined ? [] : [fields[name]]),
    bodyPresence: 'none',
    body: async () => new Uint8Array(),
  };
}

test('a scheme and a policy of ones own are judged as ours are', async () => {
  const door: GuardedService = {
    table: routeTable('door', []),
    schemes: [badge],
    authorization: 'ours',
    staleSecondsMax: 0,
  };
  const guard = createGuard({
    service: (name) => (name === 'door' ? door : null),
    policies: [officeHours],
    modes: { modeOf: () => 'enforce' },
  });
  const asked = async (path: string, fields: Record<string, string>) => {
    const { outcome, verdict } = await guard.decide(requestFor(path, fields));
    if (verdict === null || verdict.allowed) return { outcome, by: verdict?.principal.id };
    const { status, headers } = guard.refusal(verdict, 'door');
    return { outcome, status, challenge: headers['www-authenticate'], caller: verdict.caller?.id };
  };
  assert.deepEqual(await asked('/', { 'x-badge': '7' }), { outcome: 'allow', by: 'operator:ana' });
  const refused = { outcome: 'deny', status: 401, challenge: 'Badge', caller: undefined };
  assert.deepEqual(await asked('/', { 'x-badge': '8' }), refused);
  assert.deepEqual(await asked('/', {}), refused);
  assert.deepEqual(await asked('/night', { 'x-badge': '7' }), {
    outcome: 'deny',
    status: 403,
    challenge: undefined,
    caller: 'operator:ana',
  });
});
