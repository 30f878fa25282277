/** Official clients of both major versions, through everything: discovery, login in a real browser, consent, calls, step-up, revocation. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import * as v2 from '@modelcontextprotocol/client';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { ClientCredentialsProvider as MachineV1 } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { auth as authV1, UnauthorizedError as UnauthorizedV1 } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { createClient } from '../../src/authority/oauth/clients.ts';
import { person, type Person } from '../fixtures/oauth-chromium.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';
import { oauthStack, type OauthStack } from '../fixtures/oauth-stack.ts';
import { stranger } from '../fixtures/stranger.ts';

async function mcpServer(t: TestContext): Promise<string> {
  const handler = toNodeHandler(
    createMcpHandler(() => {
      const server = new McpServer({ name: 'files', version: '1.0.0' });
      for (const name of ['read_file', 'write_file'])
        server.registerTool(name, {}, async () => ({ content: [{ type: 'text' as const, text: `${name} done` }] }));
      return server;
    }),
  );
  const server = createServer((req, res) => void handler(req, res)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const yaml = (upstream: string) => `
oauth: { server: { registration: true } }
services:
  files:
    upstream: ${upstream}
    accept: [oauth]
    oauth: { scopes: [files:read] }
    tools: { scopes: { 'write_*': [files:write] } }
`;

/** What a program of a person keeps, in the words of both versions. */
class Keeper {
  readonly #person: Person;
  readonly clientMetadataUrl: string | undefined;
  asked: URL | null = null;
  kept: Record<string, unknown> = {};

  constructor(who: Person, clientMetadataUrl?: string) {
    this.#person = who;
    this.clientMetadataUrl = clientMetadataUrl;
  }
  get redirectUrl(): string {
    return this.#person.redirectUri;
  }
  get clientMetadata() {
    return {
      client_name: 'A program',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }
  state(): string {
    return 'a-state';
  }
  clientInformation(): never {
    return this.kept['client'] as never;
  }
  saveClientInformation(information: unknown): void {
    this.kept['client'] = information;
  }
  tokens(): never {
    return this.kept['tokens'] as never;
  }
  saveTokens(tokens: unknown): void {
    this.kept['tokens'] = tokens;
  }
  redirectToAuthorization(url: URL): void {
    this.asked = url;
  }
  saveCodeVerifier(verifier: string): void {
    this.kept['verifier'] = verifier;
  }
  codeVerifier(): string {
    return String(this.kept['verifier']);
  }
  saveDiscoveryState(state: unknown): void {
    this.kept['discovery'] = state;
  }
  discoveryState(): never {
    return this.kept['discovery'] as never;
  }
  invalidateCredentials(scope: string): void {
    if (scope === 'tokens' || scope === 'all') delete this.kept['tokens'];
  }
  /** The person answers what the program asked for last. */
  answer(): Promise<URLSearchParams> {
    assert.ok(this.asked, 'nobody was asked');
    const url = this.asked;
    this.asked = null;
    return this.#person.letIn(url);
  }
}

interface Version {
  readonly name: string;
  /** A connected client; fails as unauthorized where somebody has to be asked. */
  connect(
    url: URL,
    keeper: Keeper,
  ): Promise<{ call(tool: string): Promise<string>; finish(answer: URLSearchParams): Promise<void> }>;
  finish(url: URL, keeper: Keeper, answer: URLSearchParams): Promise<void>;
  /** Has the person asked for what the call lacks. */
  stepUp(url: URL, keeper: Keeper, call: () => Promise<string>): Promise<void>;
  isUnauthorized(error: unknown): boolean;
  machine(url: URL, clientId: string, clientSecret: string, issuer: string): Promise<string>;
}

const textOf = (result: unknown): string =>
  ((result as { content?: { text?: string }[] }).content ?? []).map(({ text }) => text ?? '').join('');

const versions: readonly Version[] = [
  {
    name: 'v1',
    async connect(url, keeper) {
      const client = new ClientV1({ name: 'a-program', version: '1.0.0' });
      const transport = new TransportV1(url, { authProvider: keeper as never });
      await client.connect(transport as never);
      return {
        call: async (tool) => textOf(await client.callTool({ name: tool })),
        finish: (answer) => transport.finishAuth(answer.get('code') ?? ''),
      };
    },
    finish: (url, keeper, answer) =>
      new TransportV1(url, { authProvider: keeper as never }).finishAuth(answer.get('code') ?? ''),
    async stepUp(url, keeper, call) {
      // While it has a refresh token this version asks nobody: it renews the token it has, and gives up.
      await assert.rejects(call(), /403 after trying upscoping/);
      keeper.invalidateCredentials('tokens');
      assert.equal(await authV1(keeper as never, { serverUrl: url, scope: 'files:read files:write' }), 'REDIRECT');
    },
    isUnauthorized: (error) => error instanceof UnauthorizedV1,
    async machine(url, clientId, clientSecret, issuer) {
      const authProvider = new MachineV1({ clientId, clientSecret, expectedIssuer: issuer, scope: 'files:write' });
      const client = new ClientV1({ name: 'a-machine', version: '1.0.0' });
      await client.connect(new TransportV1(url, { authProvider }) as never);
      const said = textOf(await client.callTool({ name: 'write_file' }));
      await client.close();
      return said;
    },
  },
  {
    name: 'v2',
    async connect(url, keeper) {
      const client = new v2.Client({ name: 'a-program', version: '1.0.0' });
      const transport = new v2.StreamableHTTPClientTransport(url, { authProvider: keeper as never });
      await client.connect(transport);
      return {
        call: async (tool) => textOf(await client.callTool({ name: tool })),
        finish: (answer) => transport.finishAuth(answer),
      };
    },
    finish: (url, keeper, answer) =>
      new v2.StreamableHTTPClientTransport(url, { authProvider: keeper as never }).finishAuth(answer),
    async stepUp(_url, keeper, call) {
      await assert.rejects(call(), v2.UnauthorizedError);
      assert.match(keeper.asked?.searchParams.get('scope') ?? '', /^files:read files:write/);
    },
    isUnauthorized: (error) => error instanceof v2.UnauthorizedError,
    async machine(url, clientId, clientSecret, issuer) {
      const options = { clientId, clientSecret, expectedIssuer: issuer, scope: 'files:write' };
      const authProvider = new v2.ClientCredentialsProvider(options);
      const client = new v2.Client({ name: 'a-machine', version: '1.0.0' });
      await client.connect(new v2.StreamableHTTPClientTransport(url, { authProvider }));
      const said = textOf(await client.callTool({ name: 'write_file' }));
      await client.close();
      return said;
    },
  },
];

async function stackFor(
  t: TestContext,
  clientDocument: () => object,
): Promise<OauthStack & { readonly documentUrl: string }> {
  const outside = await stranger(t, () => ({ body: JSON.stringify(clientDocument()) }));
  const upstream = await mcpServer(t);
  const here = await oauthStack(t, {
    yaml: () => yaml(upstream),
    documents: { ca: outside.ca, mayReach: (address) => address === '127.0.0.1' || address === '::1' },
  });
  return { ...here, documentUrl: `https://localhost:${outside.port}/client.json` };
}

async function dead(call: () => Promise<unknown>): Promise<unknown> {
  for (let look = 0; look < 100; look += 1) {
    try {
      await call();
    } catch (error) {
      return error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return assert.fail('the call still succeeds');
}

for (const version of versions)
  test(
    `${version.name}: a person’s program, from not knowing anything to being revoked`,
    { skip: skipWithout(chromium), timeout: 90_000 },
    async (t) => {
      const who = await person(t);
      let described: object = {};
      const here = await stackFor(t, () => described);
      // The first version registers, the second shows its document.
      const keeper = new Keeper(who, version.name === 'v2' ? here.documentUrl : undefined);
      described = { ...keeper.clientMetadata, client_id: here.documentUrl };
      const url = new URL(`${here.gateway}/files/mcp`);

      await assert.rejects(version.connect(url, keeper), version.isUnauthorized);
      assert.match(keeper.asked?.searchParams.get('scope') ?? '', /files:read/);
      const answer = await keeper.answer();
      assert.equal(answer.get('iss'), here.admin);
      await version.finish(url, keeper, answer);
      const session = await version.connect(url, keeper);
      assert.equal(await session.call('read_file'), 'read_file done');

      // Refresh: a token that is no longer good is replaced without anybody being asked.
      const before = keeper.kept['tokens'] as Record<string, string>;
      keeper.kept['tokens'] = { ...before, access_token: `${before['access_token']?.slice(0, -8)}AAAAAAAA` };
      assert.equal(await session.call('read_file'), 'read_file done');
      assert.notEqual((keeper.kept['tokens'] as Record<string, string>)['refresh_token'], before['refresh_token']);
      assert.equal(keeper.asked, null);

      // Step-up: the tool asks for a scope, the person agrees, and what was granted before is still there.
      await version.stepUp(url, keeper, () => session.call('write_file'));
      await session.finish(await keeper.answer());
      assert.equal(await session.call('write_file'), 'write_file done');
      assert.equal(await session.call('read_file'), 'read_file done');
      assert.equal(who.logins.count, 2, 'over plain http one for each question');

      // Revocation: nothing that came of the login is worth anything.
      const { refresh_token: refreshToken = '' } = keeper.kept['tokens'] as Record<string, string>;
      const { client_id: clientId = '' } = keeper.kept['client'] as Record<string, string>;
      const body = new URLSearchParams({ token: refreshToken, client_id: clientId });
      assert.equal((await fetch(`${here.admin}/oauth/revoke`, { method: 'POST', body })).status, 200);
      assert.ok(version.isUnauthorized(await dead(() => session.call('read_file'))));
      assert.ok(keeper.asked);
    },
  );

for (const version of versions)
  test(`${version.name}: a machine, by client credentials`, async (t) => {
    const here = await stackFor(t, () => ({}));
    const made = await createClient(
      { name: 'A machine', redirectUris: [], device: false, scopes: ['files:read', 'files:write'], jwks: null },
      { records: here.stack.store.records, clock: here.stack.clock, accessTokenSeconds: 300 },
    );
    const url = new URL(`${here.gateway}/files/mcp`);
    assert.equal(await version.machine(url, made.clientId, made.secret ?? '', here.admin), 'write_file done');
  });
