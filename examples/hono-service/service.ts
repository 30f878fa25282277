/** An embeddings service on Hono. Without its third import and the line with `protect` anyone could call it. */
import { serve, type ServerType } from '@hono/node-server';
import { Hono } from 'hono';
// In a project of your own: from 'countersign/hono'.
import { protect } from '../../src/adapters/hono/index.ts';

const folder = process.env['KEYS'] ?? '/run/secrets';

const guard = await protect({
  service: 'embeddings',
  keys: [{ files: `${folder}/*_api_key` }, { envFiles: `${folder}/*.env` }],
  routes: [
    { path: '/health', access: 'public' },
    { path: '/models/:name', methods: ['DELETE'], callers: ['operations'] },
  ],
});

const app = new Hono();
app.use(guard);

app.get('/health', (c) => c.json({ status: 'up' }));
app.post('/embed', async (c) => {
  const { texts } = await c.req.json<{ texts: string[] }>();
  return c.json({ caller: c.get('principal')?.id, vectors: texts.map((text) => [text.length]) });
});
app.delete('/models/:name', (c) => c.json({ unloaded: c.req.param('name') }));

const server: ServerType = serve(
  { fetch: app.fetch, port: Number(process.env['PORT'] ?? 8081), hostname: '127.0.0.1' },
  ({ port }) => console.log(`http://127.0.0.1:${port}`),
);
process.on('SIGTERM', () => server.close(() => void guard.close()));
