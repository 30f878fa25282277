import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { parseAllDocuments } from 'yaml';
import {
  person,
  sopsDecrypts,
  sopsFixture,
  sopsFixtures,
  withoutSops,
  type SopsFixture,
} from '../../../test/fixtures/sops.ts';
import { entriesOf, entryNamed, removeSecret, replaceText, setSecret, textOf } from '../bundle.ts';
import { ruleFrom } from './rule.ts';
import { newSopsFile, openSopsFile, type SopsFile } from './sops-file.ts';

const alice = person('alice');
const bob = person('bob');
const mallory = person('mallory');
const now = 1_790_000_000;
const folder = mkdtempSync(join(tmpdir(), 'countersign-sops-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const opened = ({ encrypted, form }: SopsFixture): Promise<SopsFile> => openSopsFile(encrypted, form, [alice.identity]);
const values = (text: string): unknown => parseAllDocuments(text, { intAsBigInt: true }).map((each) => each.toJS());
/** Where a comment stands may differ between two parsers; that it stands may not. */
const commentsOf = (text: string): string[] =>
  text
    .split('\n')
    .flatMap((line) => /#.*$/.exec(line)?.[0].trim() ?? [])
    .sort();
const sealedIn = (text: string): string[] =>
  text
    .split(/^\s*"?sops"?:/m)[0]!
    .match(/ENC\[[^\]]*\]/g)!
    .sort();

test('the fixtures are there', () => assert.equal(sopsFixtures.length, 9));

for (const fixture of sopsFixtures) {
  const { name, form, plain, encrypted } = fixture;

  test(`${name}: what sops wrote opens, its MAC is right, and values, types and comments are those of sops`, async () => {
    const file = await opened(fixture);
    assert.deepEqual(values(file.plainText()), values(plain));
    assert.deepEqual(commentsOf(file.plainText()), commentsOf(plain));
  });

  test(`${name}: written again without a change, every encrypted value keeps its bytes and the file opens`, async () => {
    const again = (await opened(fixture)).text(now);
    assert.deepEqual(sealedIn(again), sealedIn(encrypted));
    const file = await openSopsFile(again, form, [alice.identity]);
    assert.deepEqual(values(file.plainText()), values(plain));
    assert.deepEqual(commentsOf(file.plainText()), commentsOf(plain));
  });

  test(`${name}: under a new data key no encrypted value is the old one, and only the recipients named can open it`, async () => {
    const file = await opened(fixture);
    await file.rekey([bob.recipient]);
    const text = file.text(now);
    const old = new Set(sealedIn(encrypted));
    assert.deepEqual(
      sealedIn(text).filter((each) => old.has(each)),
      [],
    );
    await assert.rejects(openSopsFile(text, form, [alice.identity]), { code: 'wrong_key' });
    assert.deepEqual(values((await openSopsFile(text, form, [bob.identity])).plainText()), values(plain));
  });

  test(`${name}: sops opens what we write, unchanged and under a new key`, { skip: withoutSops }, async () => {
    const file = await opened(fixture);
    assert.deepEqual(values(sopsDecrypts(file.text(now), form, alice, folder)), values(plain));
    await file.rekey([alice.recipient, bob.recipient]);
    const text = file.text(now);
    for (const who of [alice, bob]) {
      const read = sopsDecrypts(text, form, who, folder);
      assert.deepEqual(values(read), values(plain));
      assert.deepEqual(commentsOf(read), commentsOf(plain));
    }
  });
}

test('each recipient opens a file of two, and somebody else is told for whom it is', async () => {
  const { encrypted, form } = sopsFixture('two-recipients');
  for (const { identity } of [alice, bob]) {
    const file = await openSopsFile(encrypted, form, [mallory.identity, identity]);
    assert.deepEqual(file.recipients, [alice.recipient, bob.recipient]);
  }
  await assert.rejects(openSopsFile(encrypted, form, [mallory.identity]), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'wrong_key');
    assert.ok(error.message.includes(alice.recipient) && error.message.includes(bob.recipient));
    assert.equal(error.message.includes('\n'), false);
    return true;
  });
});

const tampered: readonly [what: string, fixture: string, change: (text: string) => string][] = [
  ['a changed byte of a value', 'types', (text) => text.replace(/(text: ENC\[AES256_GCM,data:).../, '$1AAA')],
  ['a value in the clear', 'types', (text) => text.replace(/^text: .*$/m, 'text: mine')],
  [
    'a value moved to another name',
    'types',
    (text) => text.replace(/^(half|large): /gm, (name) => (name === 'half: ' ? 'large: ' : 'half: ')),
  ],
  ['a value taken out', 'types', (text) => text.replace(/^whole: .*\n/m, '')],
  ['an empty value added', 'types', (text) => text.replace(/^whole: /m, 'more: 1\nwhole: ')],
  ['a changed value in the clear', 'encrypted-regex', (text) => text.replace('replicas: 3', 'replicas: 30')],
  ['a changed MAC', 'encrypted-regex', (text) => text.replace(/(mac: ENC\[AES256_GCM,data:).../, '$1AAA')],
  ['no MAC', 'encrypted-regex', (text) => text.replace(/^ +mac: .*\n/m, '')],
  ['another time of change', 'encrypted-regex', (text) => text.replace(/lastmodified: "20../, 'lastmodified: "19..')],
  [
    'another rule',
    'encrypted-regex',
    (text) => text.replace('encrypted_regex: ^(data|stringData)$', 'encrypted_regex: ^nothing$'),
  ],
  [
    'the MAC of the encrypted values taken for that of all',
    'mac-only-encrypted',
    (text) => text.replace(/^ +mac_only_encrypted: true\n/m, ''),
  ],
  ['a document taken away', 'two-documents', (text) => text.slice(0, text.search(/^---$/m))],
];
for (const [what, name, change] of tampered) {
  test(`refused with one line: ${what}`, async () => {
    const { encrypted, form } = sopsFixture(name);
    const text = change(encrypted);
    assert.notEqual(text, encrypted);
    await assert.rejects(openSopsFile(text, form, [alice.identity]), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'bundle_changed', error.message);
      assert.equal(error.message.includes('\n'), false);
      return true;
    });
  });
}

test('a type that was changed to one the value cannot have is refused, without the value', async () => {
  const { encrypted, form } = sopsFixture('types');
  for (const type of ['int', 'float', 'bool', 'time']) {
    const text = encrypted.replace(/^(text: .*)type:str/m, `$1type:${type}`);
    await assert.rejects(openSopsFile(text, form, [alice.identity]), {
      code: 'bundle_changed',
      message: `text is said to be of type ${type}, and its value is not`,
    });
  }
});

test('values in the clear are outside a MAC over the encrypted ones alone', async () => {
  const { encrypted, form } = sopsFixture('mac-only-encrypted');
  const file = await openSopsFile(encrypted.replace('ops@', 'dev@'), form, [alice.identity]);
  assert.equal(textOf(entryNamed(file, 'owner_plain')), 'dev@example.org');
});

test('every bit of an encrypted value, its nonce and its tag counts', async () => {
  const { encrypted, form } = sopsFixture('encrypted-suffix');
  const [, data = ''] = /data:([^,]*),/.exec(encrypted) ?? [];
  const fields = [...encrypted.slice(0, encrypted.indexOf('sops:')).matchAll(/(?:data|iv|tag):([A-Za-z0-9+/=]+)/g)];
  assert.equal(fields.length, 3);
  assert.ok(data.length > 0);
  for (const field of fields) {
    const bytes = Buffer.from(field[1] as string, 'base64');
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const text = encrypted.replace(field[1] as string, changed.toString('base64'));
      await assert.rejects(openSopsFile(text, form, [alice.identity]), { code: 'bundle_changed' });
    }
  }
});

test('changing one value leaves the bytes of all others as they were', async () => {
  const { encrypted, form } = sopsFixture('types');
  const file = await openSopsFile(encrypted, form, [alice.identity]);
  assert.equal(setSecret(file, 'nested/sibling', 'changed'), 'changed');
  const text = file.text(now);
  const before = sealedIn(encrypted);
  const changed = sealedIn(text);
  assert.equal(changed.filter((each) => !before.includes(each)).length, 1);
  const again = await openSopsFile(text, form, [alice.identity]);
  assert.equal(textOf(entryNamed(again, 'nested/sibling')), 'changed');
  assert.deepEqual(sealedIn(file.text(now)), changed, 'written twice');
});

test('a file of which one character was changed is refused, or has the values that were written', async () => {
  const { encrypted, form } = sopsFixture('types');
  const file = await openSopsFile(encrypted, form, [alice.identity]);
  const contents = (of: SopsFile): string[] => entriesOf(of).map(({ leaf }) => leaf.bytes.toString('base64'));
  const written = contents(file);
  const place = fc.integer({ min: 0, max: encrypted.length - 1 });
  const character = fc.oneof(
    fc.constantFrom(...'\n #:"\'-[]{}&*!|>%@`,?0Aa\t'),
    fc.string({ minLength: 1, maxLength: 1 }),
  );
  await fc.assert(
    fc.asyncProperty(place, character, async (at, put) => {
      const text = encrypted.slice(0, at) + put + encrypted.slice(at + 1);
      const read = await openSopsFile(text, form, [alice.identity]).catch((error: Error) => {
        assert.equal(error.name, 'SecretsError', error.stack);
        return null;
      });
      if (read) assert.deepEqual(contents(read), written);
    }),
    { numRuns: 150 },
  );
});

test('secrets are added, changed and removed by name, and lists and groups have names within', async () => {
  const file = await opened(sopsFixture('types'));
  assert.equal(setSecret(file, 'aidb_api_key', 'k1'), 'added');
  assert.equal(setSecret(file, 'aidb_api_key', 'k1'), 'same');
  assert.equal(setSecret(file, 'database/primary/password', 'p'), 'added');
  assert.equal(setSecret(file, 'list/0', 'uno'), 'changed');
  removeSecret(file, 'nested/sibling');
  const again = await openSopsFile(file.text(now), 'yaml', [alice.identity]);
  const names = entriesOf(again).map(({ name }) => name);
  assert.ok(names.includes('database/primary/password'));
  assert.equal(names.includes('nested/sibling'), false);
  assert.equal(textOf(entryNamed(again, 'list/0')), 'uno');
  assert.throws(() => entryNamed(again, 'nested'), { code: 'no_such_secret', message: /nested\/deeper\/deepest/ });
  assert.throws(() => setSecret(again, 'nested', 'x'), { code: 'invalid_secret', message: /group/ });
  assert.throws(() => setSecret(again, 'text/x', 'x'), { code: 'invalid_secret' });
  for (const name of ['', '/', '../x', 'a//b', 'sops', 'sops/mac', 'a b', '.hidden', 'x'.repeat(200)])
    assert.throws(() => setSecret(again, name, 'x'), { code: 'invalid_secret' }, name);
});

test('what is removed is the value with that name and nothing else, whatever its key looks like', async () => {
  const file = await newSopsFile('yaml', ruleFrom({}), [alice.recipient]);
  replaceText(file, 'a: {b: {c: group}}\na/b: looks like it\n7: number\nlist: [x, y]\n---\nonly: in the second\n');
  for (const name of ['a/b', '7', 'list/0', 'only']) removeSecret(file, name);
  assert.deepEqual(
    entriesOf(file).map((entry) => [entry.name, textOf(entry)]),
    [
      ['a/b/c', 'group'],
      ['list/0', 'y'],
    ],
  );
});

test('a secret under a name that the rule leaves in the clear is refused, unless that is meant', async () => {
  const file = await opened(sopsFixture('encrypted-regex'));
  assert.throws(() => setSecret(file, 'password', 'x'), { code: 'invalid_secret', message: /in the clear/ });
  assert.throws(() => setSecret(file, 'metadata/name', 'x'), { code: 'invalid_secret' });
  assert.equal(setSecret(file, 'stringData/password', 'x'), 'added');
  assert.equal(setSecret(file, 'password', '2001-01-01', true), 'added');
  const again = await openSopsFile(file.text(now), 'yaml', [alice.identity]);
  assert.equal(textOf(entryNamed(again, 'password')), '2001-01-01');
});

test('sops opens a bundle that we began, with what was set in it', { skip: withoutSops }, async () => {
  for (const form of ['yaml', 'json'] as const) {
    const file = await newSopsFile(form, ruleFrom({}), [alice.recipient, bob.recipient]);
    assert.deepEqual(values(sopsDecrypts(file.text(now), form, bob, folder)), [{}]);
    setSecret(file, 'aidb_api_key', 'a: "b" # c\nd');
    setSecret(file, 'database/password', '0123');
    setSecret(file, 'port_unencrypted', '8080', true);
    setSecret(file, 'day_unencrypted', '2001-01-01', true);
    setSecret(file, 'number_unencrypted', '1_000', true);
    const written = {
      aidb_api_key: 'a: "b" # c\nd',
      database: { password: '0123' },
      port_unencrypted: '8080',
      day_unencrypted: '2001-01-01',
      number_unencrypted: '1_000',
    };
    const text = file.text(now);
    assert.deepEqual(values(sopsDecrypts(text, form, bob, folder)), [written]);
    const again = await openSopsFile(text, form, [alice.identity]);
    assert.deepEqual(values(again.plainText()), [written]);
  }
});

test('an edited text is taken over with its types; what programs read in different ways is refused with its name', async () => {
  const file = await opened(sopsFixture('types'));
  replaceText(file, '# new\na: 1\nb: [true, 2.50, "x"]\nc: 2001-12-14T21:59:43Z\nd: 1e3\ne: 0x1F\nf: -.inf\n');
  const again = await openSopsFile(file.text(now), 'yaml', [alice.identity]);
  assert.deepEqual(
    entriesOf(again).map(({ name, type, leaf }) => `${name} ${type} ${leaf.bytes.toString()}`),
    [
      'a int 1',
      'b/0 bool True',
      'b/1 float 2.5',
      'b/2 str x',
      'c time 2001-12-14T21:59:43Z',
      'd float 1000',
      'e int 31',
      'f float -Inf',
    ],
  );
  assert.match(again.plainText(), /^# new$/m);
  const refusedTexts = [
    'x: 2001-01-01',
    'x: 1_000',
    'x: 010',
    'x: 0b11',
    'x: 9223372036854775808',
    'a: &b 1\nx: *b',
    'x: !thing y',
    '- x',
    'sops: {}',
    'x: 1\nx: 2',
    '',
  ];
  for (const text of refusedTexts) {
    assert.throws(
      () => replaceText(file, text),
      (error: Error & { code?: string }) => error.code === 'bundle_invalid',
      text,
    );
  }
});

test('a broken file is refused without repeating what stands in it', async () => {
  for (const text of [
    'a: hunter2: hunter2',
    '{',
    'hunter2',
    'a: hunter2',
    'a: b\nsops: 1',
    'a: b\nsops: {age: hunter2}',
    '['.repeat(10_000),
  ]) {
    await assert.rejects(openSopsFile(text, 'yaml', [alice.identity]), (error: Error & { code?: string }) => {
      assert.ok(['bundle_invalid', 'wrong_key'].includes(error.code ?? ''), `${error.code} ${error.message}`);
      assert.equal(error.message.includes('hunter2'), false);
      return true;
    });
  }
});

test('a file cannot fill the terminal with what it says', async () => {
  const long = '('.repeat(100_000);
  await assert.rejects(openSopsFile(`a: 1\nsops:\n  encrypted_regex: '${long}'\n`, 'yaml', []), ({ code, message }) => {
    assert.equal(code, 'bundle_invalid');
    return message.length < 2100;
  });
});

test('any text, whatever it looks like, comes back as it was set', async () => {
  const file = await newSopsFile('yaml', ruleFrom({}), [alice.recipient]);
  const texts = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed());
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      setSecret(file, 'sealed', text);
      setSecret(file, 'open_unencrypted', text, true);
      const again = await openSopsFile(file.text(now), 'yaml', [alice.identity]);
      assert.equal(textOf(entryNamed(again, 'sealed')), text);
      assert.equal(textOf(entryNamed(again, 'open_unencrypted')), text);
      replaceText(again, again.plainText());
      assert.equal(textOf(entryNamed(again, 'sealed')), text);
    }),
    { numRuns: 30 },
  );
});
