/** A server made with the official SDK, as the official conformance suite wants it: both eras at one address. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import {
  completable,
  createMcpHandler,
  InMemoryServerEventBus,
  isLegacyRequest,
  localhostAllowedHostnames,
  McpServer,
  ResourceTemplate,
  validateHostHeader,
  type EventStore,
  type JSONRPCMessage,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { embedded, image, png, text } from './content.ts';
import { addRounds, stateCodec } from './rounds.ts';
import { addTools } from './tools.ts';

export function conformanceServer(): Server {
  const modern = toNodeHandler(createMcpHandler(filledServer, { legacy: 'reject', bus: new InMemoryServerEventBus() }));
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  return createServer((req, res) => {
    answer(req, res).catch((error: unknown) => {
      if (!res.headersSent) res.writeHead(500);
      res.end(String(error));
    });
  });

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { ok } = validateHostHeader(req.headers.host, localhostAllowedHostnames());
    if (!ok) return void res.writeHead(403).end();
    const request = await toWebRequest(req);
    const source = await request.clone().text();
    const body: unknown = parsed(source);
    if (!(await isLegacyRequest(request))) return modern(req, res, body);
    await legacy(req, res, body);
  }

  async function legacy(req: IncomingMessage, res: ServerResponse, body: unknown): Promise<void> {
    const given = req.headers['mcp-session-id'];
    let transport = typeof given === 'string' ? sessions.get(given) : undefined;
    if (transport === undefined) {
      if (given !== undefined) {
        const error = { code: -32001, message: 'Session not found' };
        res.writeHead(404, { 'content-type': 'application/json' });
        return void res.end(JSON.stringify({ jsonrpc: '2.0', id: null, error }));
      }
      const opened = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: eventStore(),
        retryInterval: 500,
        onsessioninitialized: (id) => void sessions.set(id, opened),
        onsessionclosed: (id) => void sessions.delete(id),
      });
      await filledServer().connect(opened);
      transport = opened;
    }
    await transport.handleRequest(req, res, body);
  }
}

function parsed(source: string): unknown {
  try {
    return source === '' ? undefined : JSON.parse(source);
  } catch {
    return source;
  }
}

function filledServer(): McpServer {
  const server = new McpServer(
    { name: 'conformance', version: '1.0.0' },
    {
      capabilities: { logging: {}, resources: { subscribe: true }, completions: {} },
      requestState: { verify: stateCodec.verify },
    },
  );
  addTools(server);
  addRounds(server);
  addResources(server);
  addPrompts(server);
  server.server.setRequestHandler('resources/subscribe', () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', () => ({}));
  return server;
}

function addResources(server: McpServer): void {
  const content = {
    'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
    'test://static-binary': { mimeType: 'image/png', blob: png },
    'test://watched-resource': { mimeType: 'text/plain', text: 'watched' },
  };
  for (const [uri, body] of Object.entries(content))
    server.registerResource(uri, uri, { mimeType: body.mimeType }, () => ({ contents: [{ uri, ...body }] }));
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { mimeType: 'application/json' },
    ({ href }, { id }) => ({
      contents: [
        {
          uri: href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  );
}

function addPrompts(server: McpServer): void {
  const user = <Content>(content: Content) => ({ role: 'user' as const, content });
  server.registerPrompt('test_simple_prompt', { description: 'plain' }, () => ({
    messages: [user(text('This is a simple prompt for testing.'))],
  }));
  const word = (): z.ZodString => z.string();
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'with arguments',
      argsSchema: z.object({ arg1: completable(word(), () => ['paris', 'park', 'party']), arg2: word() }),
    },
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'with a resource', argsSchema: z.object({ resourceUri: word() }) },
    ({ resourceUri }) => ({
      messages: [
        user(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.')),
        user(text('Please process the embedded resource above.')),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'with an image' }, () => ({
    messages: [user(image), user(text('Please analyze the image above.'))],
  }));
}

/** Events of one session, for clients that ask for what they missed. */
function eventStore(): EventStore {
  const events: { readonly id: string; readonly stream: string; readonly message: JSONRPCMessage }[] = [];
  return {
    storeEvent(stream, message) {
      const id = `${stream}_${events.length}`;
      events.push({ id, stream, message });
      return Promise.resolve(id);
    },
    async replayEventsAfter(last, { send }) {
      const at = events.findIndex(({ id }) => id === last);
      const { stream = '' } = events[at] ?? {};
      for (const event of events.slice(at + 1)) if (event.stream === stream) await send(event.id, event.message);
      return stream;
    },
  };
}
