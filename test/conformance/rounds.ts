/** What the official conformance suite expects of tools and prompts that ask the client before they answer (2026-07-28). */
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequests,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { text } from './content.ts';

type Round = CallToolResult | InputRequiredResult;

export const stateCodec = createRequestStateCodec<{ step: number }>({ key: Buffer.alloc(32, 7) });

export function addRounds(server: McpServer): void {
  for (const [name, play] of Object.entries(tools))
    server.registerTool(name, { description: name, inputSchema: z.object({}) }, (_, context) => play(context));
  server.registerPrompt('test_input_required_result_prompt', { description: 'asks for its context' }, (context) => {
    const given = answered(context, 'user_context', 'context');
    if (given === null) return inputRequired({ inputRequests: ask('user_context', 'Which context?', 'context') });
    return { messages: [{ role: 'user' as const, content: text(`Context: ${given}`) }] };
  });
}

const tools: Readonly<Record<string, (context: ServerContext) => Round | Promise<Round>>> = {
  test_input_required_result_elicitation(context) {
    const name = answered(context, 'user_name', 'name');
    if (name !== null) return done(`Hello, ${name}!`);
    return inputRequired({ inputRequests: ask('user_name', 'What is your name?', 'name') });
  },
  test_input_required_result_sampling: (context) =>
    whenGiven(context, ['capital_question'], { capital_question: sample('What is the capital of France?') }),
  test_input_required_result_list_roots: (context) =>
    whenGiven(context, ['client_roots'], { client_roots: inputRequired.listRoots() }),
  async test_input_required_result_request_state(context) {
    if (context.mcpReq.requestState<{ step: number }>()?.step === 1) return done('state-ok');
    return inputRequired({ inputRequests: confirm, requestState: await stateCodec.mint({ step: 1 }) });
  },
  async test_input_required_result_tampered_state(context) {
    if (context.mcpReq.requestState<{ step: number }>()?.step === 1) return done('state-ok');
    return inputRequired({ inputRequests: confirm, requestState: await stateCodec.mint({ step: 1 }) });
  },
  async test_input_required_result_multiple_inputs(context) {
    const given = context.mcpReq.inputResponses ?? {};
    if (['user_name', 'greeting', 'client_roots'].every((key) => key in given)) return done(JSON.stringify(given));
    return inputRequired({
      inputRequests: {
        ...ask('user_name', 'What is your name?', 'name'),
        greeting: sample('Generate a greeting'),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await stateCodec.mint({ step: 1 }),
    });
  },
  async test_input_required_result_multi_round(context) {
    const step = context.mcpReq.requestState<{ step: number }>()?.step ?? 0;
    if (step === 2) return done('both steps done');
    const asked = step === 0 ? ask('step1', 'Your name?', 'name') : ask('step2', 'Your favourite colour?', 'color');
    return inputRequired({ inputRequests: asked, requestState: await stateCodec.mint({ step: step + 1 }) });
  },
  test_input_required_result_capabilities(context) {
    const envelope: Readonly<Record<string, unknown>> = { ...context.mcpReq.envelope };
    const has = envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
    const requests = {
      ...(has?.elicitation ? ask('name', 'What is your name?', 'name') : {}),
      ...(has?.sampling ? { greeting: sample('Generate a greeting') } : {}),
    };
    return Object.keys(requests).length === 0 ? done('nothing to ask') : inputRequired({ inputRequests: requests });
  },
};

const confirm = {
  confirm: inputRequired.elicit({ message: 'Please confirm', requestedSchema: z.object({ ok: z.boolean() }) }),
};

function whenGiven({ mcpReq }: ServerContext, keys: readonly string[], asked: InputRequests): Round {
  const given = mcpReq.inputResponses ?? {};
  return keys.every((key) => key in given) ? done(JSON.stringify(given)) : inputRequired({ inputRequests: asked });
}

/** What the user wrote; null for nothing yet. */
function answered({ mcpReq }: ServerContext, key: string, field: string): string | null {
  const value = acceptedContent(mcpReq.inputResponses, key)?.[field];
  return typeof value === 'string' ? value : null;
}

function ask(key: string, message: string, field: string): InputRequests {
  return { [key]: inputRequired.elicit({ message, requestedSchema: z.object({ [field]: z.string() }) }) };
}

function sample(words: string): InputRequests[string] {
  return inputRequired.createMessage({ messages: [{ role: 'user', content: text(words) }], maxTokens: 100 });
}

function done(words: string): CallToolResult {
  return { content: [text(words)] };
}
