/** What the official conformance suite expects an MCP server to offer as tools. */
import { setTimeout as later } from 'node:timers/promises';
import {
  fromJsonSchema,
  type CallToolResult,
  type ElicitRequestFormParams,
  type JsonSchemaType,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { audio, embedded, image, text } from './content.ts';

type Answer = (args: Record<string, string>, context: ServerContext) => CallToolResult | Promise<CallToolResult>;

const said = (...content: CallToolResult['content']): CallToolResult => ({ content });

/** Tools without arguments. */
const plain: Readonly<Record<string, Answer>> = {
  test_simple_text: () => said(text('This is a simple text response for testing.')),
  test_image_content: () => said(image),
  test_audio_content: () => said(audio),
  test_embedded_resource: () =>
    said(embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')),
  test_multiple_content_types: () =>
    said(
      text('Multiple content types test:'),
      image,
      embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ),
  test_error_handling: () => ({
    isError: true,
    ...said(text('This tool intentionally returns an error for testing')),
  }),
  async test_tool_with_logging(_, { mcpReq }) {
    for (const words of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await mcpReq.log('info', words);
      await later(50);
    }
    return said(text('logged'));
  },
  async test_tool_with_progress(_, { mcpReq }) {
    const { _meta: meta } = mcpReq;
    const progressToken = meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined)
        await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      await later(50);
    }
    return said(text('progressed'));
  },
  async test_reconnection(_, { http }) {
    http?.closeSSE?.();
    await later(100);
    return said(text('reconnected'));
  },
  test_elicitation_sep1034_defaults: (_, context) => elicited(context, 'Please review the defaults', defaults),
  test_elicitation_sep1330_enums: (_, context) => elicited(context, 'Please choose', enums),
};

export function addTools(server: McpServer): void {
  for (const [name, answer] of Object.entries(plain))
    server.registerTool(name, { description: name, inputSchema: z.object({}) }, (_, context) => answer({}, context));
  server.registerTool(
    'test_sampling',
    { description: 'asks the client for a sample', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, { mcpReq }) => {
      const messages = [{ role: 'user' as const, content: text(prompt) }];
      const { content } = await mcpReq.requestSampling({ messages, maxTokens: 100 }, onItsStream(mcpReq));
      return said(text(`LLM response: ${JSON.stringify(content)}`));
    },
  );
  server.registerTool(
    'test_elicitation',
    { description: 'asks the user', inputSchema: z.object({ message: z.string() }) },
    ({ message }, context) =>
      elicited(context, message, {
        type: 'object',
        properties: {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        },
        required: ['username', 'email'],
      }),
  );
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Tool with JSON Schema 2020-12 features', inputSchema: fromJsonSchema(schema2020) },
    () => said(text('fine')),
  );
}

/** Asks in the stream of the call: the one that a client opens besides may not be there yet. */
function onItsStream({ id }: ServerContext['mcpReq']): { relatedRequestId: ServerContext['mcpReq']['id'] } {
  return { relatedRequestId: id };
}

async function elicited(
  { mcpReq }: ServerContext,
  message: string,
  requestedSchema: ElicitRequestFormParams['requestedSchema'],
): Promise<CallToolResult> {
  const { action, content } = await mcpReq.elicitInput({ message, requestedSchema }, onItsStream(mcpReq));
  return said(text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`));
}

const defaults: ElicitRequestFormParams['requestedSchema'] = {
  type: 'object',
  properties: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
};

const options = ['option1', 'option2', 'option3'];
const titled = ['value1', 'value2', 'value3'].map((value, index) => ({ const: value, title: `Option ${index + 1}` }));

const enums: ElicitRequestFormParams['requestedSchema'] = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', enum: options },
    titledSingle: { type: 'string', oneOf: titled },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
    titledMulti: { type: 'array', items: { anyOf: titled } },
  },
};

// Written as text: an object with a member `then` would be taken for a promise by whoever awaits it.
const schema2020: JsonSchemaType = JSON.parse(`{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {
    "address": {
      "$anchor": "addressDef",
      "type": "object",
      "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
    }
  },
  "properties": {
    "name": { "type": "string" },
    "address": { "$ref": "#/$defs/address" },
    "contactMethod": { "type": "string", "enum": ["phone", "email"] },
    "phone": { "type": "string" },
    "email": { "type": "string" }
  },
  "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
  "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
  "then": { "required": ["phone"] },
  "else": { "required": ["email"] },
  "additionalProperties": false
}`);
