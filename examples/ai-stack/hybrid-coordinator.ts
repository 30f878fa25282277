/**
 * Answers questions: has the question embedded by the embeddings service, finds the nearest note, and streams the answer as
 * server-sent events. It calls embeddings with its own key when it has one: behind the gateway that is all it takes.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { readJson, startService } from './service.ts';

const embeddingsUrl = process.env['EMBEDDINGS_URL'] ?? 'http://127.0.0.1:8081';
const keyFile = process.env['EMBEDDINGS_KEY_FILE'];

const notes = [
  'The gateway judges every request before a service sees it.',
  'Report mode lets everything pass and writes down what would have been refused.',
  'A revoked key is dead at once, and the streams that it opened are closed.',
];

async function embedAll(texts: readonly string[]): Promise<number[][]> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (keyFile) headers['authorization'] = `Bearer ${readFileSync(keyFile, 'utf8').trim()}`;
  const response = await fetch(`${embeddingsUrl}/embed`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ input: texts }),
  });
  if (!response.ok) throw new Error(`embeddings answered ${response.status}: ${await response.text()}`);
  const { embeddings } = (await response.json()) as { embeddings: number[][] };
  return embeddings;
}

function likeness(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

startService('hybrid-coordinator', 8092, {
  'POST /query': async (request, response) => {
    const { question } = await readJson(request);
    const [asked = [], ...known] = await embedAll([String(question ?? ''), ...notes]);
    const best = known.reduce(
      (top, vector, index) => (likeness(asked, vector) > likeness(asked, known[top] ?? []) ? index : top),
      0,
    );
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    for (const word of (notes[best] ?? '').split(' ')) {
      if (response.destroyed) return;
      response.write(`data: ${JSON.stringify({ word })}\n\n`);
      await pause(15);
    }
    response.end('event: done\ndata: {}\n\n');
  },
});
