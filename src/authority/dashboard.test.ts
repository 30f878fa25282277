/** The dashboard's files: served whole, under a strict policy, and nothing besides them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawRequest, startAuthority } from '../../test/fixtures/authority-stack.ts';

test('the page comes without a login under a policy that allows nothing from elsewhere and nothing inline', async (t) => {
  const { adminOrigin } = await startAuthority(t);
  const page = await fetch(`${adminOrigin}/dashboard/`);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(page.headers.get('cache-control'), 'no-store');
  const html = await page.text();
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=/);
  for (const [, path = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const asset = await fetch(new URL(path, adminOrigin));
    assert.equal(asset.status, 200, path);
    if (path.includes('/assets/')) assert.match(asset.headers.get('cache-control') ?? '', /immutable/);
    await asset.body?.cancel();
  }
});

test('no path leads out of the built files, and nothing but reading is taken', async (t) => {
  const { adminOrigin } = await startAuthority(t);
  const port = Number(new URL(adminOrigin).port);
  for (const path of [
    '/dashboard/index.html',
    '/dashboard/nothing',
    '/dashboard/../package.json',
    '/dashboard/..%2fpackage.json',
    '/dashboard/assets/../../package.json',
    '/dashboard/__proto__',
    '/dashboard/assets',
  ]) {
    const { status, body } = await rawRequest(port, [`GET ${path} HTTP/1.1`, 'Host: localhost']);
    assert.ok(status === 404 || status === 400, `${path}: ${status}`);
    assert.doesNotMatch(body, /"version"/);
  }
  const root = await fetch(`${adminOrigin}/`, { redirect: 'manual' });
  assert.deepEqual([root.status, root.headers.get('location')], [302, '/dashboard/']);
  const post = await fetch(`${adminOrigin}/dashboard/`, { method: 'POST' });
  assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  const rebound = await rawRequest(port, ['GET /dashboard/ HTTP/1.1', 'Host: evil.example.org']);
  assert.equal(rebound.status, 403);
});
