import { refusalWords, type Answer } from './answers.ts';
import { messageOf } from '../../core/message-of.ts';

/** The official MCP client: connects, lists the tools and calls one. Loaded when needed, for it is here for development only. */
export async function askMcp(gateway: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const client = new Client({ name: 'countersign-demo', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(`${gateway}/everything/mcp`), {
    requestInit: { headers },
  });
  try {
    await client.connect(transport);
    const { tools } = await client.listTools();
    const result = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
    const echoed = JSON.stringify(result.content).includes('hello');
    return tools.length > 0 && echoed ? 'lists tools, calls echo' : `${tools.length} tools, no echo`;
  } catch (error) {
    const { status, data } = error as { status?: unknown; data?: { text?: unknown } };
    if (typeof status === 'number') return refusalWords(status, String(data?.text ?? ''));
    return messageOf(error);
  } finally {
    await client.close().catch(() => undefined);
  }
}
