/**
 * The official conformance suite (`@modelcontextprotocol/conformance`) against one server, once as it is and once through our
 * gateway. The suite sends no credential, so a shim in front of the gateway adds the key.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseConfig } from '../../src/compose/load/load.ts';
import { createStack } from '../../src/compose/stack.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { frontServer } from '../../src/gateway/server.ts';
import { createKey } from '../../src/keys/create.ts';
import { closed, listening } from '../fixtures/gateway-door.ts';
import { conformanceServer } from './server.ts';

export type Revision = '2025-11-25' | '2026-07-28';

/** Of each scenario its checks, in order: their names and how they ended. */
export type Outcomes = ReadonlyMap<string, readonly string[]>;

export interface Comparison {
  readonly direct: Outcomes;
  readonly through: Outcomes;
}

/** What the suite runs: what a revision requires, or, for releases that know no requirements, all that they have. */
export interface Suite {
  /** Its program; default the release that is pinned here. */
  readonly program?: string;
  readonly arguments: readonly string[];
}

export function requirementsOf(revision: Revision): Suite {
  return { arguments: ['--requirements', revision] };
}

/** Runs every server scenario, the same at both places. */
export async function compare(suite: Suite): Promise<Comparison> {
  const upstream = conformanceServer();
  const upstreamPort = await listening(upstream);
  const door = await gatewayWithKey(upstreamPort);
  try {
    const [direct, through] = await Promise.all([outcomes(upstreamPort, suite), outcomes(door.port, suite)]);
    return { direct, through };
  } finally {
    await door.close();
    await closed(upstream);
  }
}

/** Those that ended otherwise behind the gateway than without it. */
export function differences({ direct, through }: Comparison): string[] {
  return [...new Set([...direct.keys(), ...through.keys()])]
    .filter((scenario) => String(direct.get(scenario)) !== String(through.get(scenario)))
    .map(
      (scenario) => `${scenario}: ${String(direct.get(scenario))} direct, ${String(through.get(scenario))} through us`,
    );
}

async function gatewayWithKey(upstreamPort: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const env = { COUNTERSIGN_MASTER_KEY: '5a'.repeat(32) };
  // With rules, so that every body is read and every list looked into; they forbid what the suite does not use.
  const config = parseConfig(
    `store: memory:
mode: enforce
callers: [suite]
audit: { log: false }
services:
  suite:
    upstream: http://127.0.0.1:${upstreamPort}
    hosts: [localhost]
    tools: { deny: ['never'] }
    resources: { deny: ['never'] }
    prompts: { deny: ['never'] }`,
    { file: null, env },
  );
  const stack = await createStack({ config, env });
  const made = { service: 'suite', kind: 'sk', expiresAt: null, now: stack.clock() } as const;
  const { key } = await createKey(stack.store, stack.seal, made);
  const gateway = createGateway(stack);
  const front = frontServer(
    (req, res) => gateway.handle(req, res),
    (req, socket, head) => gateway.upgrade(req, socket, head),
    { refused: stack.audit.refused, bodyIdleMillis: 60_000 },
  );
  const frontPort = await listening(front);
  const shim = keyAdding(key, frontPort);
  const port = await listening(shim);
  return {
    port,
    async close() {
      await closed(shim);
      await gateway.close();
      await closed(front);
      await stack.close();
    },
  };
}

/** Passes everything on as it is, and the key with it. */
function keyAdding(key: string, port: number): Server {
  return createServer((req, res) => {
    const headers = [...req.rawHeaders, 'x-api-key', key];
    const passed = httpRequest({ host: '127.0.0.1', port, method: req.method, path: req.url, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      res.flushHeaders();
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    passed.on('error', () => res.destroy());
    res.on('close', () => passed.destroy());
    req.pipe(passed);
  });
}

async function outcomes(port: number, suite: Suite): Promise<Outcomes> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-conformance-'));
  try {
    await runSuite(suite.program ?? pinned(), [
      'server',
      '--url',
      `http://localhost:${port}/mcp`,
      ...suite.arguments,
      '-o',
      folder,
    ]);
    const found = new Map<string, readonly string[]>();
    for (const name of await readdir(folder)) {
      const checks = await readFile(join(folder, name, 'checks.json'), 'utf8');
      const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
      const ended = (JSON.parse(checks) as Check[]).map(({ id, status }) => `${id} ${status}`);
      found.set(scenario, ended);
    }
    return found;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Check {
  readonly id: string;
  readonly status: string;
}

function pinned(): string {
  const main = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json');
  return join(dirname(main), 'dist/index.js');
}

/** Its exit code says whether all passed, which is not what is asked here. */
function runSuite(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], { timeout: 120_000, maxBuffer: 16 * 1024 * 1024 }, (error) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve();
    });
  });
}
