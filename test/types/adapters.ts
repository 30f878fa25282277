/** What a user's code looks like under strict rules, in each framework; it need only compile. */
import { createServer } from 'node:http';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { protect as protectExpress } from '../../src/adapters/express/index.ts';
import { protect as protectFastify } from '../../src/adapters/fastify/index.ts';
import { protect as protectHono } from '../../src/adapters/hono/index.ts';
import { protect as protectNode, type Principal, type ProtectOptions } from '../../src/adapters/node/index.ts';

/** Holds for the very same type only, so `any` satisfies it nowhere. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(): T | undefined => undefined;

const own = {
  service: 'embeddings',
  keys: [{ files: '/run/secrets/*_api_key' }, { envFiles: '/etc/keys/*.env' }, { store: 'sqlite:state.db' }],
  routes: [
    { path: '/health', access: 'public' },
    { path: '/embed', methods: ['POST'], callers: ['aidb'], scopes: ['embed:write'], mode: 'report' },
  ],
  mode: 'enforce',
  onDecision: (decision, request) =>
    void (same<Same<typeof decision.outcome, 'allow' | 'deny' | 'would_deny' | 'public'>>(), request.path),
} as const satisfies ProtectOptions;

export async function onExpress(): Promise<void> {
  const app = express();
  app.use(await protectExpress({ ...own, caseSensitive: true }));
  const router = express.Router();
  router.use(await protectExpress({ service: 'embeddings', config: 'countersign.yaml' }));
  router.get('/x', (req, res) => {
    same<Same<typeof req.principal, Principal | null>>();
    // @ts-expect-error -- nobody may have been asked
    res.json(req.principal.id);
    // @ts-expect-error -- principals have no such property
    res.json(req.principal?.token);
    res.json(req.principal?.id);
  });
  app.use('/api', router);
}

export async function onFastify(): Promise<void> {
  const app = fastify();
  await app.register(await protectFastify(own));
  app.get('/x', (request) => {
    same<Same<typeof request.principal, Principal | null>>();
    // @ts-expect-error -- nobody may have been asked
    return request.principal.id;
  });
  app.get<{ Params: { name: string } }>('/y/:name', (request) => `${request.principal?.id} ${request.params.name}`);
}

export async function onHono(): Promise<void> {
  const app = new Hono();
  app.use(await protectHono(own));
  app.use('/api/*', await protectHono(own));
  app.get('/x', (c) => {
    const principal = c.get('principal');
    same<Same<typeof principal, Principal | null>>();
    same<Same<typeof c.var.principal, Principal | null>>();
    // @ts-expect-error -- nobody may have been asked
    return c.text(principal.id);
  });
  const typed = new Hono<{ Variables: { tenant: string } }>();
  typed.use(await protectHono(own));
  typed.get('/x', (c) => c.text(`${c.get('tenant')} ${c.get('principal')?.id}`));
}

export async function onNode(): Promise<void> {
  const guard = await protectNode(own);
  createServer((req, res) => {
    void guard(req, res).then((admitted) => {
      if (!admitted) return;
      same<Same<typeof admitted.principal, Principal | null>>();
      // @ts-expect-error -- nobody may have been asked
      res.end(admitted.principal.id);
    });
  });
  await guard.close();
}

export async function slips(): Promise<void> {
  // @ts-expect-error -- keys are not forgotten by accident
  await protectNode({ service: 'embeddings' });
  // @ts-expect-error -- no such access
  await protectNode({ ...own, routes: [{ path: '/x', access: 'pubic' }] });
  // @ts-expect-error -- no such mode
  await protectNode({ ...own, mode: 'audit' });
  // @ts-expect-error -- no such source
  await protectNode({ ...own, keys: [{ file: '/run/secrets/a' }] });
  // @ts-expect-error -- what stands in the file is not said beside it
  await protectNode({ ...own, config: 'countersign.yaml' });
}
