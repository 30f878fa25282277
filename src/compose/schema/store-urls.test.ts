import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { redisFault, storeConfig, storeFault } from './store-urls.ts';

test('reads every form of a store', () => {
  assert.deepEqual(storeConfig('memory:'), { kind: 'memory' });
  assert.deepEqual(storeConfig('sqlite:a/b.db'), { kind: 'sqlite', file: 'a/b.db' });
  assert.deepEqual(storeConfig('sqlite:///a.db'), { kind: 'sqlite', file: '/a.db' });
  assert.deepEqual(storeConfig('postgresql://h/d'), { kind: 'postgres', url: 'postgresql://h/d' });
  assert.deepEqual(storeConfig('rediss://h'), { kind: 'redis', url: 'rediss://h' });
  assert.deepEqual(storeConfig('supabase:https://h'), { kind: 'supabase', url: 'https://h' });
  for (const text of ['', 'sqlite:', 'postgres:', 'redis:h', 'supabase:h', 'mysql://h'])
    assert.equal(storeConfig(text), null);
});

test('what an engine would pass over, or take for settings of its own, is refused with what to write', () => {
  for (const [text, words] of [
    ['redis://:hunter2@h/?db=5', /database behind a question mark.*redis:\/\/127.0.0.1:6379\/5$/],
    ['rediss://h?db=5', /database behind a question mark/],
    ['redis://h/1?db=5', /database behind a question mark/],
    ['redis://h/0?keyPrefix=hunter2', /something behind its database/],
    ['redis://h/0?ssl_cert_reqs=none', /something behind its database/],
    ['redis://h/0#5', /something behind its database/],
    ['sqlite:state.db?mode=ro', /settings behind a question mark.*write sqlite:FILE/],
    ['supabase:https://h?apikey=hunter2', /something behind a question mark/],
    ['supabase:https://h/#hunter2', /something behind a question mark/],
    ['postgres://h/d?sslmod=verify-full', /encryption in a way that is passed over.*sslmode=verify-full/],
    ['postgres://h/d?SSLMODE=verify-full', /encryption in a way/],
    ['postgres://h/d?requiressl=1', /encryption in a way/],
    ['postgres://h/?dbname=stack', /says dbname, which is passed over.*behind the address/],
    ['postgres://h/d?schema=auth', /says schema.*search_path/],
    ['postgres://h/d?sslmode=verify-full&currentSchema=auth', /says currentschema.*search_path/],
  ] as const) {
    const fault = storeFault(text)?.join(': ') ?? '';
    assert.match(fault, words, text);
    assert.doesNotMatch(fault, /hunter2/);
    assert.equal(storeConfig(text), null);
  }
  for (const text of [
    'sqlite:what?.db',
    'postgres://h/d?sslmode=verify-full&sslrootcert=ca.pem&sslcert=a&sslkey=b&options=-c%20search_path%3Dauth',
    'postgres://h/d?application_name=x&connect_timeout=5&channel_binding=require',
    // Names that every object of JavaScript has.
    'postgres://h/d?constructor=1&toString=x',
    'postgres://h/d?__proto__=x',
    'redis://u:p%3Fdb=5@h:6380/15',
  ])
    assert.equal(storeFault(text), null, text);
});

test('a password with signs that end an address is refused with what to write, and shown by nobody', () => {
  for (const text of [
    'postgres://u:hun@ter/2@h:5432/d',
    'postgres://u:hunter/2@h/d',
    'postgresql://u:hunter#2@h/d',
    'postgres://u:12?hunter@h/d',
    'postgres://u:hun@ter#2@h/d',
    'postgres://u:hun@ter?2@h/d?sslmode=disable',
    'redis://:hun@ter/2@h:6379/0',
    'redis://:hunter#2@h/0',
    'rediss://:hun@ter?2@h/0',
  ]) {
    const fault = storeFault(text)?.join(': ') ?? '';
    assert.match(fault, /^the password in the address of (?:Postgres|Redis) .*@ as %40.*\/ as %2F/, text);
    assert.doesNotMatch(fault, /hun|ter/, text);
    assert.equal(storeConfig(text), null);
  }
  for (const text of [
    'postgres://u:p@w@h/d',
    'postgres://u:p%40%2F@h/d%40?application_name=me@here',
    'redis://:p@w@h/0',
  ])
    assert.equal(storeFault(text), null, text);
});

test('property: no text makes a reader throw, and what has no fault is a store', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', 'redis://', 'postgres://', 'supabase:https://', 'sqlite:'),
      fc.string({ unit: 'binary', maxLength: 80 }),
      (scheme, text) => {
        redisFault(scheme + text);
        assert.equal(storeConfig(scheme + text) === null, storeFault(scheme + text) !== null);
      },
    ),
  );
});
