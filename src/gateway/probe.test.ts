import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { door, testUpstream, type Door, type TestUpstream } from '../../test/fixtures/gateway-door.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';

describe('a request marked as a probe', () => {
  let upstream: TestUpstream;
  let gate: Door;

  before(async () => {
    upstream = await testUpstream((_req, res) => res.end('reached'));
    const rules = [
      ruleFor('/open', { access: 'public' }),
      ruleFor('/watched', { mode: 'report' }),
      ruleFor('/unguarded', { mode: 'off' }),
    ];
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url, rules }] });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });
  beforeEach(() => {
    upstream.seen.length = 0;
    gate.decisions.length = 0;
  });

  const ask = (path: string, bearer: string, probe = 'one', init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${gate.port}/echo${path}`, {
      method: 'POST',
      ...init,
      headers: { 'x-countersign-probe': probe, ...(bearer !== '' && { authorization: `Bearer ${bearer}` }) },
    });

  const answers: readonly [path: string, bearer: string, status: number, outcome: string | null][] = [
    ['/guarded', 'good', 204, 'allow'],
    ['/guarded', 'signed', 204, 'allow'],
    ['/guarded', 'wrong', 401, null],
    ['/guarded', '', 401, null],
    ['/guarded', 'away', 503, null],
    ['/open', '', 204, 'public'],
    ['/watched', '', 204, 'would_deny'],
    ['/watched', 'good', 204, 'allow'],
    ['/unguarded', '', 204, 'off'],
  ];
  for (const [path, bearer, status, outcome] of answers) {
    it(`is judged and never forwarded: ${path} with ${bearer || 'nothing'}`, async () => {
      const response = await ask(path, bearer, 'one', { body: bearer === 'signed' ? 'x' : null });
      assert.deepEqual([response.status, response.headers.get('x-countersign-probe')], [status, outcome]);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.equal(gate.decisions.length, 1);
      assert.deepEqual(upstream.seen, []);
    });
  }

  it('is refused, not forwarded, when the mark cannot be read', async () => {
    for (const mark of ['', 'a b', 'a,b', '../x', 'x'.repeat(57)]) {
      assert.equal((await ask('/guarded', 'good', mark)).status, 400, mark);
    }
    assert.deepEqual(upstream.seen, []);
  });

  it('is the same refusal, byte for byte, as without the mark', async () => {
    const marked = await ask('/guarded', 'wrong');
    const plain = await fetch(`http://127.0.0.1:${gate.port}/echo/guarded`, {
      headers: { authorization: 'Bearer wrong' },
    });
    assert.equal(await marked.text(), await plain.text());
    assert.equal(marked.headers.get('www-authenticate'), plain.headers.get('www-authenticate'));
  });

  it('leaves no mark on what is forwarded, however it is spelled', async () => {
    await fetch(`http://127.0.0.1:${gate.port}/echo/guarded`, {
      headers: { authorization: 'Bearer good', x_countersign_probe: 'one', 'X-Countersign.Probe': 'two' },
    });
    assert.equal(upstream.seen.length, 1);
    assert.doesNotMatch(upstream.seen[0]?.rawHeaders.join(' ') ?? '', /countersign/i);
  });
});
