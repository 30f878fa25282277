/** Every command that changes something says in the audit who did what, to what, and why. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';

interface Event {
  readonly type: string;
  readonly subject: string;
  readonly reason: string;
  readonly actor: string;
  readonly via: string;
}

test('modes, ramps, keys and tokens: what was ordered is an event with who and why', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-audited-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nmode: report\nservices: { search: { upstream: http://127.0.0.1:9 } }\n',
  );
  writeFileSync(join(folder, 'ramp.yaml'), 'name: all\nsteps: [{ routes: [search/*] }, { routes: [search/*] }]\n');
  let orders = 0;
  const wanted: string[] = [];
  async function order(type: string, subject: RegExp | string, ...args: string[]): Promise<string> {
    const reason = `INC-${(orders += 1)}`;
    const { code, stdout, stderr } = await cliHere([...args, '--reason', reason, '--output', 'json'], { cwd: folder });
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    const tail = await cliHere(['audit', 'tail', '--events', '-n', '1', '--output', 'json'], { cwd: folder });
    const event = JSON.parse(tail.stdout) as Event;
    assert.deepEqual([event.type, event.reason, event.via], [type, reason, 'cli'], args.join(' '));
    assert.match(event.subject, subject instanceof RegExp ? subject : new RegExp(`^${subject}$`), args.join(' '));
    assert.match(event.actor, /^cli:./);
    wanted.push(type);
    return stdout;
  }
  await order('mode.set', 'search', 'mode', 'set', 'off', 'search');
  await order('mode.reset', 'search', 'mode', 'reset', 'search');
  await order('ramp.started', 'all', 'ramp', 'start', join(folder, 'ramp.yaml'));
  await order('ramp.promoted', 'all', 'ramp', 'promote');
  await order('ramp.paused', 'all', 'ramp', 'pause');
  await order('ramp.resumed', 'all', 'ramp', 'resume');
  await order('ramp.rolled_back', 'all', 'ramp', 'rollback', 'all');
  const key = JSON.parse(await order('key.created', /^[0-9A-Za-z]{10}$/, 'keys', 'create', 'search')) as { id: string };
  await order('key.revoked', key.id, 'keys', 'revoke', key.id);
  const token = JSON.parse(await order('token.created', /^[0-9a-f-]{36}$/, 'tokens', 'create')) as { token_id: string };
  await order('token.revoked', token.token_id, 'tokens', 'revoke', token.token_id);

  const all = await cliHere(['audit', 'tail', '--events', '--output', 'json'], { cwd: folder });
  const types = all.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as Event).type);
  assert.deepEqual(types, wanted, 'each once, and nothing besides');
});
