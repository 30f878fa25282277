/** Calls a tool with the official client: node call.ts URL TOOL '{"text": "…"}', with the key in KEY_FILE. */
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url = 'http://127.0.0.1:8096/mcp', name = 'list_notes', given = '{}'] = process.argv.slice(2);
const key = readFileSync(process.env['KEY_FILE'] ?? 'agent.key', 'utf8').trim();

const client = new Client({ name: 'example', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
await client.connect(
  new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${key}` } } }),
);
const { content, isError } = await client.callTool({ name, arguments: JSON.parse(given) as Record<string, unknown> });
for (const part of content) if (part.type === 'text') process.stdout.write(`${part.text}\n`);
await client.close();
process.exitCode = isError === true ? 1 : 0;
