import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../core/clock.ts';
import { createKey } from '../keys/create.ts';
import { folder, gatewayFixture } from './client.fixtures.ts';

const manual = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8');
const programs = [...manual.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] as string);

/** What stands for the installed package, and for what is installed beside it. */
const modules: Record<string, string> = {
  'countersign/client': new URL('./index.ts', import.meta.url).href,
  undici: import.meta.resolve('undici'),
  axios: import.meta.resolve('axios'),
};

test('every program in docs/client.md runs as it stands', async (t) => {
  const { stack, url, upstream } = await gatewayFixture(t);
  const place = await folder(t);
  const order = { service: 'hybrid-coordinator', kind: 'hs', expiresAt: null, now: systemClock() } as const;
  const { key } = await createKey(stack.store, stack.seal, order);
  const keyFile = join(place, 'service_key');
  await writeFile(keyFile, `SERVICE_KEY=${key}\n`, { mode: 0o600 });
  const config = join(place, 'countersign.yaml');
  await writeFile(
    config,
    `listen: ${new URL(url).host}\nservices:\n  embeddings: { upstream: 'http://127.0.0.1:1' }\n`,
  );
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, NODE_COMPILE_CACHE, SERVICE_ID: 'hybrid-coordinator', SERVICE_KEY_FILE: keyFile };

  assert.ok(programs.length >= 6);
  await Promise.all(
    programs.map(async (program, index) => {
      const file = join(place, `${index}.ts`);
      const text = program
        .replaceAll('http://127.0.0.1:8700', url)
        .replaceAll('/run/secrets/service_key', keyFile)
        .replace(/from '([^']+)'/g, (whole, name: string) => (modules[name] ? `from '${modules[name]}'` : whole));
      await writeFile(file, text);
      const child = spawn(process.execPath, [file], { env: { ...env, COUNTERSIGN_CONFIG: config }, cwd: place });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (said += String(chunk)));
      const [code] = (await once(child, 'close')) as [number];
      assert.equal(code, 0, `${program}\n${said}`);
      assert.match(said, /200|hybrid-coordinator/);
      assert.ok(!said.includes(key));
    }),
  );
  for (const { headers } of upstream.seen) assert.equal(headers['x-auth-principal'], 'service:hybrid-coordinator');
  assert.ok(upstream.seen.length >= programs.length);
});

test('docs/client.md names every option and every code of an error', () => {
  const source = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
  const codes = [...source('./client-error.ts').matchAll(/^ {2}\| '([a-z_]+)'/gm)].map((match) => match[1] as string);
  const options = [...source('./service-client.ts').matchAll(/^ {2}readonly ([A-Za-z]+)\?:/gm)].map(
    (match) => match[1],
  );
  assert.ok(codes.length >= 8 && options.length >= 6);
  const missing = [...codes, ...options].filter((name) => name !== 'clock' && !manual.includes(`\`${name}\``));
  assert.deepEqual(missing, []);
});
