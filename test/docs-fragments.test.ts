/** Pages that show a few lines of a program: with what a reader has around them, they compile. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

/** As in package.json, of the sources. */
const entrances: Readonly<Record<string, string>> = {
  countersign: 'index.ts',
  'countersign/client': 'client/index.ts',
  'countersign/express': 'adapters/express/index.ts',
  'countersign/mcp': 'adapters/mcp/index.ts',
};

const express = `import express, { type RequestHandler } from 'express';\nconst app = express();\n`;
const guard = `import type { McpGuard, McpRequest } from 'countersign/mcp';\ndeclare const guard: McpGuard;\n`;
const server = `import { createServer } from 'node:http';\n`;
const handler = `import type { McpHttpHandler } from '@modelcontextprotocol/server';\ndeclare const handler: McpHttpHandler;\n`;

/** Of each page its fragments in order: what stands before each. A fragment of two programs is cut where the second begins. */
const pages: Readonly<Record<string, readonly string[]>> = {
  'http-api.md': [express],
  'mtls.md': [''],
  'mcp.md': [
    `${express}${server}declare const handler: { (req: object, res: object): void } & RequestHandler;\n`,
    `${guard}${handler}import { toNodeHandler } from '@modelcontextprotocol/node';\nimport type { FastifyInstance } from 'fastify';\ndeclare const app: FastifyInstance;\n`,
    `${guard}${handler}${server}import { Hono } from 'hono';\nimport { getRequestListener, type HttpBindings } from '@hono/node-server';\n`,
    `${express}import { requireBearerAuth } from '@modelcontextprotocol/express';\ndeclare const handler: RequestHandler;\n`,
    `import { tokenVerifier } from 'countersign/mcp';\n`,
    `import type { McpServer } from '@modelcontextprotocol/server';\nimport { z } from 'zod';\ndeclare const server: McpServer;\nconst inputSchema = z.object({ text: z.string() });\n`,
    `import { principalSessions, sessionNotFound, type McpRequest } from 'countersign/mcp';\nimport type { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';\nimport type { Response } from 'express';\ndeclare const req: McpRequest;\ndeclare const res: Response;\n`,
  ],
};
const second = /\n\n(?=const app = new Hono|import \* as errors)/;

test('the fragments of programs in the pages compile', { timeout: 120_000 }, (t) => {
  const folder = mkdtempSync(join(root, 'node_modules/.docs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [page, before] of Object.entries(pages)) {
    const text = readFileSync(join(root, 'docs', page), 'utf8');
    const fragments = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.split(second));
    assert.equal(fragments.length, before.length, `${page} has another number of fragments`);
    for (const [index, fragment] of fragments.entries()) {
      const whole = `${before[index]}${fragment.replace('=> …', '=> ({ content: [] })')}\nexport {};\n`;
      const program = Object.entries(entrances).reduce(
        (program_, [name, file]) => program_.replaceAll(`'${name}'`, `'../../src/${file}'`),
        whole,
      );
      writeFileSync(join(folder, `${page}-${index}.ts`), program);
    }
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ['*.ts'],
    }),
  );
  const compiled = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  assert.equal(compiled.status, 0, compiled.stdout);
});
