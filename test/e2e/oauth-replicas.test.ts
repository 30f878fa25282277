/** The authorization server as two replicas on one store: what one begins the other ends, and nothing counts twice. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createClient, revokeClient } from '../../src/authority/oauth/clients.ts';
import { rotateSigningKey } from '../../src/authority/oauth/signing-keys.ts';
import { openStore } from '../../src/compose/open-store.ts';
import { storeConfig } from '../../src/compose/schema/store-urls.ts';
import type { Store } from '../../src/core/store.ts';
import { adminToken } from '../fixtures/authority-stack.ts';
import { startPostgres, startRedis } from '../fixtures/databases.ts';
import { plainBrowser } from '../fixtures/oauth-browser.ts';
import { proofMaker } from '../fixtures/oauth-issuer.ts';
import { freePort } from '../fixtures/free-port.ts';
import { oauthStack, type OauthStack } from '../fixtures/oauth-stack.ts';
import { MissingProgram } from '../fixtures/programs.ts';
import { startUpstream } from './program.ts';

const redirect = 'http://127.0.0.1:5555/callback';
const verifier = 'v'.repeat(43);
const challenge = createHash('sha256').update(verifier).digest('base64url');
/** Where callers believe that both are: as behind a balancer. */
const front = { publicUrl: '', resource: '' };

type Form = Record<string, string>;

for (const [engine, start] of [
  ['redis', () => startRedis()],
  ['postgres', () => startPostgres()],
] as const)
  describe(engine, () => {
    const ends: (() => unknown)[] = [];
    const lifetime = { after: (end: () => unknown) => void ends.push(end) } as never;
    let one: OauthStack;
    let other: OauthStack;
    let issuer: string;
    let missing: string | null = null;

    /** In front of both: they take turns, whatever a browser does. Resolves to its origin. */
    async function balancer(): Promise<string> {
      let turn = 0;
      const server = createServer((req, res) => {
        const at = [one, other][(turn += 1) % 2];
        const { method, headers, url } = req;
        const passed = request(`${at?.admin}${url}`, { method, headers }, (answer) => {
          res.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(res);
        });
        passed.on('error', () => res.destroy());
        req.pipe(passed);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      ends.push(() => {
        server.closeAllConnections();
        server.close();
      });
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }

    before(async () => {
      let url: string;
      try {
        const server = await start();
        ends.push(() => server.stop());
        url = 'database' in server ? await server.database() : server.url;
      } catch (error) {
        if (!(error instanceof MissingProgram) || process.env['CI'] === 'true') throw error;
        missing = error.message;
        return;
      }
      const upstream = await startUpstream(lifetime);
      issuer = await balancer();
      front.publicUrl = `http://127.0.0.1:${await freePort()}`;
      front.resource = `${front.publicUrl}/files`;
      const replica = async (): Promise<OauthStack> => {
        const config = storeConfig(url);
        assert.ok(config);
        const store: Store = await openStore(config, {});
        ends.push(() => store.close());
        await store.migrate();
        return oauthStack(lifetime, {
          store,
          yaml: () => `
publicUrl: ${front.publicUrl}
oauth: { server: { issuer: '${issuer}' } }
services:
  files: { upstream: '${upstream.url}', accept: [oauth], oauth: { scopes: [files:read] } }
`,
        });
      };
      one = await replica();
      other = await replica();
    });
    after(async () => {
      for (const end of ends.toReversed()) await end();
    });

    const check = (name: string, work: () => Promise<void>): void =>
      void test(name, (t) => (missing === null ? work() : t.skip(missing)));

    const options = (at: OauthStack) => ({
      records: at.stack.store.records,
      clock: at.stack.clock,
      accessTokenSeconds: 300,
    });

    async function client(): Promise<string> {
      const order = { name: 'agent', redirectUris: [redirect], device: true, scopes: [], jwks: null };
      return (await createClient(order, options(one))).clientId;
    }

    async function token(at: OauthStack, form: Form, headers: Form = {}) {
      const answer = await fetch(`${at.admin}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers,
      });
      return { status: answer.status, body: (await answer.json()) as Form };
    }

    async function code(clientId: string): Promise<string> {
      const browser = plainBrowser(issuer);
      const question = new URLSearchParams({
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirect,
        scope: 'files:read offline_access',
        resource: front.resource,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      });
      const login = await browser.open(`${issuer}/oauth/authorize?${question}`);
      const consent = await browser.submit(login, '/login', { token: adminToken });
      const { landed } = await browser.submit(consent, '/confirm');
      return landed?.searchParams.get('code') ?? assert.fail('no code came');
    }

    const redeem = (clientId: string, value: string): Form => ({
      grant_type: 'authorization_code',
      client_id: clientId,
      code: value,
      redirect_uri: redirect,
      code_verifier: verifier,
    });
    const refresh = (clientId: string, value: string): Form => ({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: value,
    });

    /** As a balancer passes it on: the address is the one that callers know. */
    function call(at: OauthStack, headers: Form): Promise<number> {
      const { host } = new URL(front.publicUrl);
      return new Promise((resolve, reject) => {
        const asked = request(`${at.gateway}/files/x`, { headers: { host, ...headers } }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
        });
        asked.on('error', reject).end();
      });
    }
    const bearer = (value: string | undefined): Form => ({ authorization: `Bearer ${value}` });

    async function becomes(status: number, at: OauthStack, headers: Form): Promise<void> {
      let found = 0;
      for (let look = 0; look < 200; look += 1) {
        found = await call(at, headers);
        if (found === status) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal(found, status);
    }

    check('a code that one gave is redeemed at the other, and once only', async () => {
      const clientId = await client();
      const given = await code(clientId);
      const [first, second] = await Promise.all([
        token(other, redeem(clientId, given)),
        token(one, redeem(clientId, given)),
      ]);
      const statuses = [first.status, second.status].sort();
      assert.deepEqual(statuses, [200, 400], JSON.stringify([first.body, second.body]));
      const again = await code(clientId);
      const { status, body } = await token(other, redeem(clientId, again));
      assert.equal(status, 200, JSON.stringify(body));
      for (const at of [one, other]) assert.equal(await call(at, bearer(body['access_token'])), 200);
      assert.equal((await token(one, redeem(clientId, again))).body['error'], 'invalid_grant');
      // A code that came twice was stolen: what came of it is dead at both.
      for (const at of [one, other]) await becomes(401, at, bearer(body['access_token']));
    });

    check(
      'a refresh token is rotated at the other, twice at once too; used again later it ends all, at both',
      async () => {
        const clientId = await client();
        const { body } = await token(one, redeem(clientId, await code(clientId)));
        const [next, raced] = await Promise.all(
          [other, one].map((at) => token(at, refresh(clientId, body['refresh_token'] ?? ''))),
        );
        assert.deepEqual([next?.status, raced?.status], [200, 200]);
        const access = bearer(next?.body['access_token']);
        for (const at of [one, other]) assert.equal(await call(at, access), 200);
        for (const at of [one, other]) at.advance(15);
        const stolen = await token(one, refresh(clientId, body['refresh_token'] ?? ''));
        assert.equal(stolen.body['error'], 'invalid_grant');
        const family = await token(other, refresh(clientId, next?.body['refresh_token'] ?? ''));
        assert.equal(family.body['error'], 'invalid_grant');
        for (const at of [one, other]) await becomes(401, at, access);
      },
    );

    check('what is revoked at one is dead at both: a token, a client', async () => {
      const clientId = await client();
      const { body } = await token(one, redeem(clientId, await code(clientId)));
      const access = bearer(body['access_token']);
      for (const at of [one, other]) assert.equal(await call(at, access), 200);
      const revoked = await fetch(`${other.admin}/oauth/revoke`, {
        method: 'POST',
        body: new URLSearchParams({ token: body['access_token'] ?? '', client_id: clientId }),
      });
      assert.equal(revoked.status, 200);
      for (const at of [one, other]) await becomes(401, at, access);
      const more = await token(other, refresh(clientId, body['refresh_token'] ?? ''));
      assert.equal(more.status, 200);
      assert.equal(await revokeClient(clientId, options(one)), 1);
      for (const at of [one, other]) await becomes(401, at, bearer(more.body['access_token']));
      const last = await token(other, refresh(clientId, more.body['refresh_token'] ?? ''));
      assert.equal(last.body['error'], 'invalid_client');
    });

    check('a device that began at one is let in at the other', async () => {
      const clientId = await client();
      const begun = await fetch(`${one.admin}/oauth/device_authorization`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: clientId, scope: 'files:read', resource: front.resource }),
      });
      const device = (await begun.json()) as Form;
      const poll = (at: OauthStack) =>
        token(at, {
          grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
          client_id: clientId,
          device_code: device['device_code'] ?? '',
        });
      assert.equal((await poll(one)).body['error'], 'authorization_pending');
      const browser = plainBrowser(issuer);
      const entry = await browser.open(`${issuer}/oauth/device`);
      const confirm = await browser.submit(entry, '/device', { user_code: device['user_code'] ?? '' });
      const login = await browser.submit(confirm, '/device');
      const consent = await browser.submit(login, '/login', { token: adminToken });
      assert.match((await browser.submit(consent, '/confirm')).body, /go on at the device/);
      const { status, body } = await poll(one);
      assert.equal(status, 200, JSON.stringify(body));
      for (const at of [one, other]) assert.equal(await call(at, bearer(body['access_token'])), 200);
    });

    check('a proof (DPoP) is taken once: at the token endpoint and at a service', async () => {
      const clientId = await client();
      const { proof } = await proofMaker();
      const asking = await proof('', `${issuer}/oauth/token`, { htm: 'POST', ath: undefined });
      const [first, second] = [await code(clientId), await code(clientId)];
      const { status, body } = await token(one, redeem(clientId, first), { dpop: asking });
      assert.equal(status, 200, JSON.stringify(body));
      const replayed = await token(other, redeem(clientId, second), { dpop: asking });
      assert.equal(replayed.status, 400, JSON.stringify(replayed.body));
      const access = body['access_token'] ?? '';
      const headers = { authorization: `DPoP ${access}`, dpop: await proof(access, `${front.publicUrl}/files/x`) };
      assert.equal(await call(other, headers), 200);
      assert.equal(await call(one, headers), 401);
    });

    check('signing keys are shared, and what one withdraws counts at neither', async () => {
      const clientId = await client();
      const kids = async (at: OauthStack) => {
        const { keys } = (await (await fetch(`${at.admin}/oauth/jwks`)).json()) as { keys: { kid: string }[] };
        return keys.map(({ kid }) => kid).sort();
      };
      assert.deepEqual(await kids(one), await kids(other));
      const early = await token(one, redeem(clientId, await code(clientId)));
      const sharing = { records: one.stack.store.records, seal: one.stack.seal, clock: one.stack.clock };
      await rotateSigningKey(sharing, false);
      for (const at of [one, other]) at.advance(60);
      const both = await token(other, redeem(clientId, await code(clientId)));
      for (const at of [one, other])
        for (const { body } of [early, both]) assert.equal(await call(at, bearer(body['access_token'])), 200);
      const { kid } = await rotateSigningKey(sharing, true);
      for (const at of [one, other])
        for (const { body } of [early, both]) await becomes(401, at, bearer(body['access_token']));
      const anew = await token(other, refresh(clientId, both.body['refresh_token'] ?? ''));
      for (const at of [one, other]) await becomes(200, at, bearer(anew.body['access_token']));
      for (const at of [one, other]) assert.deepEqual(await kids(at), [kid]);
    });
  });
