/** An embeddings service on Express. Without its second import and the line with `protect` anyone could call it. */
import type { AddressInfo } from 'node:net';
import express from 'express';
// In a project of your own: from 'countersign/express'.
import { protect } from '../../src/adapters/express/index.ts';

const folder = process.env['KEYS'] ?? '/run/secrets';

const guard = await protect({
  service: 'embeddings',
  keys: [{ files: `${folder}/*_api_key` }, { envFiles: `${folder}/*.env` }],
  routes: [
    { path: '/health', access: 'public' },
    { path: '/models/:name', methods: ['DELETE'], callers: ['operations'] },
  ],
});

const app = express();
// Before what reads bodies: a signed body is verified as it came, and parsed afterwards.
app.use(guard);
app.use(express.json());

app.get('/health', (_req, res) => void res.json({ status: 'up' }));
app.post('/embed', (req, res) => {
  const { texts } = req.body as { texts: string[] };
  res.json({ caller: req.principal?.id, vectors: texts.map((text) => [text.length]) });
});
app.delete('/models/:name', (req, res) => void res.json({ unloaded: req.params.name }));

const server = app.listen(Number(process.env['PORT'] ?? 8081), '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => void guard.close());
});
