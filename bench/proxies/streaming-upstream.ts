import { createServer } from 'node:http';
import { announce } from './child.ts';

/** Event streams as an MCP server sends them: one event at once; then `/stays` stays open, any other path ends soon. */
const event = `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: { text: 'x'.repeat(200) } })}\n\n`;

const server = createServer((req, res) => {
  req.resume();
  res.writeHead(200, ['Content-Type', 'text/event-stream', 'Cache-Control', 'no-cache']);
  res.write(event);
  if (!(req.url ?? '').startsWith('/stays')) setTimeout(() => res.end(), 2);
});
server.keepAliveTimeout = 60_000;
announce(server);
