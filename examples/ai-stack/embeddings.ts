/** Turns text into vectors. The embedding is a toy, but a deterministic one: words hashed into 64 dimensions. */
import { createHash } from 'node:crypto';
import { callerOf, readJson, sendJson, startService } from './service.ts';

const dimensions = 64;

export function embed(text: string): number[] {
  const vector = Array.from({ length: dimensions }, () => 0);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const hash = createHash('sha256').update(word).digest();
    const index = hash.readUInt16BE(0) % dimensions;
    vector[index] = (vector[index] ?? 0) + (hash.readUInt8(2) < 128 ? 1 : -1);
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => Number((value / length).toFixed(6)));
}

startService('embeddings', 8081, {
  'GET /models': (_request, response) => sendJson(response, 200, { models: [{ name: 'hashed-words', dimensions }] }),
  'POST /embed': async (request, response) => {
    const { input } = await readJson(request);
    const texts = (Array.isArray(input) ? input : [input]).map(String);
    sendJson(response, 200, { model: 'hashed-words', embeddings: texts.map(embed), caller: callerOf(request) });
  },
  'POST /internal/reindex': (request, response) =>
    sendJson(response, 202, { started: true, caller: callerOf(request) }),
});
