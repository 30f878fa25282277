/** What stops harm is done in the store that a faulty configuration names, and only where there is no doubt which one that is. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';

const services = 'services:\n  aidb: { upstream: http://127.0.0.1:8081 }\n';

async function stack(t: TestContext, store = 'store: sqlite:state.db\n') {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-urgent-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (text: string) => writeFileSync(join(folder, 'countersign.yaml'), text);
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  write(store + services);
  const made = await cli('keys', 'create', 'aidb', '--output', 'json');
  assert.equal(made.code, 0, made.stderr);
  const { id, key } = JSON.parse(made.stdout) as { id: string; key: string };
  return { cli, write, folder, id, key };
}

const faulty = {
  'a slip in a word': `store: sqlite:state.db\nlisten: 8700\n${services}`,
  'a tab': `store: sqlite:state.db\n${services}\tmode: report\n`,
  'a bracket that is left open': `store: "sqlite:state.db" # the state\n${services}  web: { upstream: http://127.0.0.1:1\n`,
};

for (const [slip, text] of Object.entries(faulty)) {
  test(`a key is revoked and everything reported again, whatever ${slip} does to the configuration`, async (t) => {
    const { cli, write, folder, id } = await stack(t);
    assert.equal((await cli('operators', 'create', 'ana')).code, 0);
    const token = JSON.parse((await cli('tokens', 'create', '--output', 'json')).stdout) as { token_id: string };
    write(text);
    const revoked = await cli('keys', 'revoke', id);
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.match(revoked.stdout, new RegExp(`^revoked {2}key ${id} of aidb`));
    assert.equal(
      revoked.stderr,
      `warning: ${join(folder, 'countersign.yaml')} has faults, which \`countersign validate\` names; this is done all the same, in sqlite:${join(folder, 'state.db')}\n`,
    );
    for (const command of [
      ['keys', 'list'],
      ['tokens', 'revoke', token.token_id],
      ['operators', 'disable', 'ana'],
      ['mode', 'set', 'report', '--all'],
    ])
      assert.equal((await cli(...command)).code, 0, command.join(' '));
    const paused = await cli('ramp', 'pause');
    assert.match(paused.stderr, /there is no ramp/);
    for (const command of [
      ['keys', 'create', 'aidb'],
      ['tokens', 'create'],
      ['mode', 'set', 'report', 'aidb'],
      ['ramp', 'resume'],
    ])
      assert.match((await cli(...command)).stderr, /countersign\.yaml:\d+:\d+: /, command.join(' '));
    write(`store: sqlite:state.db\n${services}`);
    assert.match((await cli('keys', 'list', '--all')).stdout, /revoked/);
    assert.match((await cli('mode', 'get')).stdout, /report {2}run-time, all levels/);
  });
}

test('where a faulty configuration leaves a doubt about its store nothing is done', async (t) => {
  const { cli, write, id } = await stack(t, '');
  const doubtful = [
    '',
    'listen: 127.0.0.1:8700\n\tmode: report\n',
    `store: sqlite:state.db\nstore: sqlite:other.db\n${services}\tx: 1\n`,
    `store: sqlite:other.db\nlisten: 8700\n${services}`,
    `  store: sqlite:.countersign/state.db\n${services}\tx: 1\n`,
    `store: [sqlite:.countersign/state.db]\n${services}`,
  ];
  for (const text of doubtful) {
    write(text);
    const { code, stdout, stderr } = await cli('keys', 'revoke', id);
    assert.deepEqual([code, stdout], [1, ''], text);
    assert.match(stderr, /countersign\.yaml/, text);
  }
  write(`listen: 8700\n${services}`);
  assert.equal((await cli('keys', 'revoke', id)).code, 0, 'none is named: the one beside the configuration');
});
