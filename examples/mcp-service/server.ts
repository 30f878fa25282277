/** An MCP server that knows its callers. Without its first import and the line with `protect` anyone could call it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
// In a project of your own: from 'countersign/mcp'.
import { principalOf, protect, toolScopes } from '../../src/adapters/mcp/index.ts';

const guard = await protect({ service: 'notes', config: process.env['COUNTERSIGN_CONFIG'] ?? 'countersign.yaml' });

const scopes = toolScopes({ list_notes: ['notes:read'], add_note: ['notes:write'] });
const notes: { by: string; text: string }[] = [];

function notesServer(): McpServer {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  server.registerTool(
    'list_notes',
    { description: 'Every note, and who wrote it.', inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    scopes.guard('list_notes', () => said(notes)),
  );
  server.registerTool(
    'add_note',
    { description: 'Writes a note down.', inputSchema: z.object({ text: z.string().max(1000) }) },
    scopes.guard('add_note', ({ text }, ctx) => {
      const by = principalOf(ctx.http?.authInfo)?.id ?? 'nobody';
      notes.push({ by, text });
      return said({ by, text });
    }),
  );
  return server;
}

function said(value: object) {
  return { content: [{ type: 'text' as const, text: JSON.stringify(value) }] };
}

const mcp = toNodeHandler(createMcpHandler(notesServer));

const server = createServer((req, res) => {
  void guard(req, res, () => {
    if (req.url === '/health') res.end('UP\n');
    else if (req.url === '/mcp') void mcp(req, res);
    else res.writeHead(404).end();
  });
});
server.listen(Number(process.env['PORT'] ?? 8096), '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp\n`);
});

process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => void guard.close());
});
