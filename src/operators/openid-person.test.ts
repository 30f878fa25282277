import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { accounts } from './account.ts';
import { admit, personOf, type PersonRules } from './openid-person.ts';

const rules: PersonRules = {
  issuer: 'https://login.example.org',
  nameClaim: 'name',
  roleClaim: 'groups',
  roles: { operator: ['admins'], viewer: ['staff'] },
};
const role = (groups: unknown) => personOf({ sub: 'u', name: 'anna', groups }, rules)?.role;

test('the role is that of a value that is there to the letter, and the greater of two', () => {
  assert.equal(role(['staff', 'admins']), 'operator');
  assert.equal(role('staff'), 'viewer');
  for (const groups of ['Admins', 'admins ', ['x'], [['admins']], { admins: true }, null, undefined, 'admins,staff'])
    assert.equal(role(groups), null, JSON.stringify(groups));
});

test('no name that could be taken for another, and none without a subject', () => {
  for (const name of [
    '',
    'a b',
    'anna\n',
    'ä',
    'a/b',
    'a:b',
    'x'.repeat(129),
    7,
    undefined,
    ['', 'anna'],
    '\u202eanna',
  ])
    assert.equal(personOf({ sub: 'u', name, groups: 'staff' }, rules), null, String(name));
  for (const sub of ['', 's'.repeat(256), 7, undefined, null])
    assert.equal(personOf({ sub, name: 'anna', groups: 'staff' }, rules), null, String(sub));
  assert.equal(personOf(Object.create({ sub: 'u', name: 'anna' }) as Record<string, unknown>, rules), null);
});

test('an address of mail counts only when the provider verified it, as a name and for a role', () => {
  const byMail = { ...rules, roleClaim: 'email', roles: { operator: ['anna@example.org'], viewer: [] } };
  const claims = { sub: 'u', name: 'anna', email: 'anna@example.org' };
  assert.equal(personOf(claims, byMail)?.role, null);
  assert.equal(personOf({ ...claims, email_verified: 'true' }, byMail)?.role, null);
  assert.equal(personOf({ ...claims, email_verified: true }, byMail)?.role, 'operator');
  assert.equal(personOf({ ...claims, groups: 'staff' }, { ...rules, nameClaim: 'email' }), null);
});

test('whoever lost the role is out everywhere and lets nobody in; with another issuer nobody goes on', async () => {
  const known = accounts({ records: memoryStore().records, clock: () => 0 });
  const anna = { subject: 'u', name: 'openid:anna', role: 'operator' } as const;
  assert.ok('account' in (await admit(known, rules, anna, 0)));
  assert.deepEqual(await admit(known, rules, { ...anna, role: null }, 0), { fault: 'no_role', lostOperator: true });
  assert.partialDeepStrictEqual((await known.get('openid:anna'))?.account, { role: 'viewer', epoch: 2 });
  assert.partialDeepStrictEqual(await admit(known, rules, anna, 0), { account: { role: 'operator', epoch: 2 } });
  const elsewhere = { ...rules, issuer: 'https://other.example.org' };
  assert.deepEqual(await admit(known, elsewhere, anna, 0), { fault: 'name_taken', lostOperator: false });
  // A reset gives the name to whoever comes next.
  await known.change('openid:anna', (now) => ({ ...now, openid: { issuer: rules.issuer, subject: null } }));
  assert.ok('account' in (await admit(known, elsewhere, { ...anna, subject: 'v' }, 0)));
  assert.deepEqual(await admit(known, rules, anna, 0), { fault: 'name_taken', lostOperator: false });
});

test('of two who come first under one name at the same moment, one gets it', async () => {
  const known = accounts({ records: memoryStore().records, clock: () => 0 });
  const person = { name: 'openid:anna', role: 'viewer' } as const;
  const admitted = await Promise.all(['u', 'v'].map((subject) => admit(known, rules, { ...person, subject }, 0)));
  assert.equal(admitted.filter((found) => 'account' in found).length, 1);
});
