import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stackAddresses as addressesOf } from './stack-address.ts';

const stackAddresses = (text: string, place: string) =>
  addressesOf(text, place, () => assert.fail('it names no other'));

const file = `
listen: 0.0.0.0:9000
services:
  embeddings: { upstream: 'http://127.0.0.1:8081' }
  own: { upstream: 'http://127.0.0.1:8082', listen: 127.0.0.1:9100 }
  rest: { upstream: 'http://127.0.0.1:8083', mount: / }
  bare:
`;

test('finds each service where the gateway serves it', () => {
  const { baseUrlOf } = stackAddresses(file, 'countersign.yaml');
  assert.equal(baseUrlOf('embeddings'), 'http://127.0.0.1:9000/embeddings');
  assert.equal(baseUrlOf('bare'), 'http://127.0.0.1:9000/bare');
  assert.equal(baseUrlOf('own'), 'http://127.0.0.1:9100');
  assert.equal(baseUrlOf('rest'), 'http://127.0.0.1:9000');
});

test('finds the MCP servers of the file that the configuration names', () => {
  const servers = '{"mcpServers": {"files": {"command": "npx"}, "old": {"command": "npx", "disabled": true}}}';
  const read = (path: string) => (path === 'mcp.json' ? servers : assert.fail(path));
  const { baseUrlOf } = addressesOf('mcpConfig: mcp.json\nservices: { a: }', 'countersign.yaml', read);
  assert.equal(baseUrlOf('files'), 'http://127.0.0.1:8700/files');
  assert.equal(baseUrlOf('a'), 'http://127.0.0.1:8700/a');
  assert.throws(() => baseUrlOf('old'), { code: 'no_such_service', message: /it has: a, files/ });
});

test('reads the file of MCP servers as the gateway does, in whichever client it was written', () => {
  const servers = '\uFEFF{\n  // of VS Code\n  "servers": { "files": { "url": "http://127.0.0.1:9001/mcp" }, },\n}';
  const { baseUrlOf } = addressesOf('mcpConfig: mcp.json', 'countersign.yaml', () => servers);
  assert.equal(baseUrlOf('files'), 'http://127.0.0.1:8700/files');
});

test('the gateway listens where it does by default', () => {
  const base = (listen: string) => stackAddresses(`${listen}services: { a: }`, 'x').baseUrlOf('a');
  assert.equal(base(''), 'http://127.0.0.1:8700/a');
  assert.equal(base("listen: '[::]:8701'\n"), 'http://127.0.0.1:8701/a');
  assert.equal(base("listen: '[::1]:8701'\n"), 'http://[::1]:8701/a');
  assert.equal(base('listen: gateway.internal:80\n'), 'http://gateway.internal:80/a');
});

test('says what is wrong without quoting the file', () => {
  const fails = (text: string) => () => stackAddresses(text, 'countersign.yaml').baseUrlOf('constructor');
  assert.throws(fails(file), { code: 'no_such_service', message: /embeddings, own, rest, bare/ });
  for (const text of ['', '[]', 'services: 5', 'null']) assert.throws(fails(text), { code: 'no_such_service' });
  assert.throws(fails('a: "secret'), { code: 'bad_configuration' });
  assert.throws(
    () => stackAddresses('listen: secret\nservices: { a: }', 'x').baseUrlOf('a'),
    (error: Error) => {
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});
