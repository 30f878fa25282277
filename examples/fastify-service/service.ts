/** An embeddings service on Fastify. Without its second import and the line with `protect` anyone could call it. */
import { fastify } from 'fastify';
// In a project of your own: from 'countersign/fastify'.
import { protect } from '../../src/adapters/fastify/index.ts';

const folder = process.env['KEYS'] ?? '/run/secrets';

const guard = await protect({
  service: 'embeddings',
  keys: [{ files: `${folder}/*_api_key` }, { envFiles: `${folder}/*.env` }],
  routes: [
    { path: '/health', access: 'public' },
    { path: '/models/:name', methods: ['DELETE'], callers: ['operations'] },
  ],
});

const app = fastify({ forceCloseConnections: true });
await app.register(guard);

app.get('/health', () => ({ status: 'up' }));
app.post<{ Body: { texts: string[] } }>('/embed', (request) => ({
  caller: request.principal?.id,
  vectors: request.body.texts.map((text) => [text.length]),
}));
app.delete<{ Params: { name: string } }>('/models/:name', (request) => ({ unloaded: request.params.name }));

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 8081), host: '127.0.0.1' }));
// Closing the application closes its guard.
process.on('SIGTERM', () => void app.close());
