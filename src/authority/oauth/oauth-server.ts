import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { OauthServerConfig, StackConfig } from '../../compose/config.ts';
import type { Stack } from '../../compose/stack.ts';
import { eraseExpired } from '../../core/record.ts';
import { addressGroup } from '../../policies/address-group.ts';
import type { Exchange } from '../exchange.ts';
import { refusalReply, type Reply } from '../reply.ts';
import { refused, refusedBy } from '../refused.ts';
import { hostFault } from '../host-check.ts';
import { deny } from '../../core/verdict.ts';
import { SIGNING_KEY } from '../../keys/tokens/issued-tokens.ts';
import { keepClient } from './clients.ts';
import { documentFetch, type DocumentFetchOptions } from './document-fetch.ts';
import { interaction } from './interaction.ts';
import { adminTokenLogin, type OperatorLogin } from './login.ts';
import { INTERACTION, oauthProvider, ROUTES } from './provider.ts';
import { signingKeys, type SigningKeys } from './signing-keys.ts';
import { registrations } from './registrations.ts';
import { answerForAccessTokens } from './access-tokens.ts';
import { onlyWhereAnswered } from './answered.ts';
import { soleResource, resourceOf } from './resources.ts';

/** The embedded authorization server, on the admin's side only. */
export interface OauthServer {
  /** Whether a path of the admin's side is the authorization server's. */
  owns(path: string): boolean;
  /** Null: answered already. */
  handle(exchange: Exchange): Promise<Reply | null>;
  close(): void;
}

export interface OauthServerOptions {
  readonly login?: OperatorLogin;
  /** How strangers' documents are fetched; for tests. */
  readonly documents?: DocumentFetchOptions;
}

const discovery: ReadonlySet<string> = new Set([
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
]);
/** What browsers show, where cookies count; all else is asked by programs, from whatever origin. */
const shown: readonly string[] = [ROUTES.authorization, ROUTES.code_verification, INTERACTION];
const sweepMillis = 600_000;
/**
 * What strangers make us write into the store: clients that register themselves, and logins that are begun, each up to 64 KiB for a
 * quarter of an hour.
 */
const written = {
  'oauth-register': { what: 'registrations', perAddress: 20, all: 500, windowSeconds: 3600 },
  'oauth-begin': { what: 'logins begun', perAddress: 300, all: 5000, windowSeconds: 900 },
} as const;
/** Names are free, and many may stand for one server: so what one address has us ask for is counted as well, and all together. */
const documents = { perHost: 60, perAddress: 60, all: 600, windowSeconds: 60 } as const;
const beginnings: ReadonlySet<string> = new Set([
  ROUTES.authorization,
  ROUTES.pushed_authorization_request,
  ROUTES.device_authorization,
  ROUTES.code_verification,
]);

export function oauthServer(stack: Stack, server: OauthServerConfig, options: OauthServerOptions = {}): OauthServer {
  const login = options.login ?? adminTokenLogin(stack);
  const ask = documentFetch(options.documents);
  const registered = registrations(stack);
  /** For whose request the library asks for a document: the group of its address. */
  const asker = new AsyncLocalStorage<string>();
  let made: { readonly provider: Provider; readonly keys: SigningKeys; readonly config: StackConfig } | null = null;
  let making: Promise<Provider> | null = null;
  /** Another one whenever what was read before is not the last word. */
  let news = 0;

  // Another replica may have made a key, or an operator have taken one away.
  const unwatch = stack.store.watch((change) => {
    const isNews = change.topic === 'resync' || (change.topic === 'records' && change.id.startsWith(`${SIGNING_KEY}/`));
    if (!isNews) return;
    news += 1;
    made = null;
  });
  const sweep = setInterval(() => {
    eraseExpired(stack.store.records, stack.clock()).catch(() => undefined);
  }, sweepMillis);
  sweep.unref();

  /** Strangers say whom: no server is to be asked by us for as often as they like, nor as many as they like. */
  async function fetch(url: string | URL, init?: object): Promise<Response> {
    const { hostname } = new URL(url);
    const { limits } = stack.store;
    const { perHost, perAddress, all, windowSeconds } = documents;
    for (const [key, limit] of [
      [`oauth-documents:${asker.getStore() ?? ''}`, perAddress],
      ['oauth-documents', all],
      [`oauth-document:${hostname}`, perHost],
    ] as const) {
      const { allowed } = await limits.take(key, limit, windowSeconds, stack.clock());
      if (!allowed) throw new Error(`too many documents were asked for, the last of ${hostname}`);
    }
    return ask(url, init);
  }

  function current(): Promise<Provider> {
    if (made !== null && made.config === stack.config && stack.clock() < made.keys.dueAt)
      return Promise.resolve(made.provider);
    making ??= make().finally(() => (making = null));
    return making;
  }

  async function make(): Promise<Provider> {
    const { config } = stack;
    const { clock } = stack;
    const { records } = stack.store;
    const heard = news;
    const keys = await signingKeys({ records, seal: stack.seal, clock });
    const provider = oauthProvider({ stack, server, keys, login, fetch });
    provider.use(onlyWhereAnswered(provider));
    provider.use(answerForAccessTokens({ stack, keys, accessTokenSeconds: server.accessTokenSeconds }));
    const warn = (error: Error): void => process.emitWarning(`OAuth: ${error.message}`);
    provider.on('server_error', (_ctx: unknown, error: Error) => warn(error));
    // Where nobody listens, what it is built on writes a whole stack to the log; its types do not have it.
    (provider as NodeJS.EventEmitter).on('error', warn);
    provider.on('registration_create.success', (ctx: KoaContextWithOIDC, client) => {
      void registered.happened(client, ctx.ip);
    });
    provider.use(async (ctx: KoaContextWithOIDC, next) => {
      await next();
      const { route, client } = ctx.oidc ?? {};
      if (route !== 'token' || ctx.status !== 200 || !client) return;
      // The token is made: that it was may be written down the next time.
      await keepClient(client.clientId, server.registeredClientSeconds, { records, clock }).catch(() => undefined);
    });
    if (heard === news) made = { provider, keys, config };
    return provider;
  }

  /** RFC 7591 §5: who lets strangers write into the store bounds what they write. */
  async function tooMuchWritten(kind: keyof typeof written, { request }: Exchange): Promise<Reply | null> {
    const { limits } = stack.store;
    const { what, perAddress, all, windowSeconds } = written[kind];
    for (const [key, limit] of [
      [`${kind}:${addressGroup(request.remoteAddress)}`, perAddress],
      [kind, all],
    ] as const) {
      const { allowed, retryAfter } = await limits.take(key, limit, windowSeconds, stack.clock());
      if (!allowed) return refusalReply(refusedBy(deny('rate_limited', `too many ${what}`, { retryAfter })));
    }
    return null;
  }

  return {
    owns: (path) => discovery.has(path) || path === '/oauth' || path.startsWith('/oauth/'),
    async handle(exchange) {
      const { path, req, res } = exchange;
      const isShown = shown.some((own) => path === own || path.startsWith(`${own}/`));
      const fault = hostFault(isShown ? exchange : withoutOrigin(exchange));
      if (fault) return refusalReply(fault);
      if (isShown && exchange.method === 'POST' && !isOwnForm(exchange, server.issuer))
        return refusalReply(refused('not_allowed', 'this form is answered on its own page only'));
      const isKnown = discovery.has(path) || isShown || Object.values<string>(ROUTES).includes(path);
      if (!isKnown) return refusalReply(refused('not_found', 'there is nothing at this path'));
      const writes =
        path === ROUTES.registration && exchange.method === 'POST'
          ? 'oauth-register'
          : beginnings.has(path) && exchange.method !== 'OPTIONS'
            ? 'oauth-begin'
            : null;
      const limited = writes && (await tooMuchWritten(writes, exchange));
      if (limited) return limited;
      const provider = await current();
      addressedToIssuer(req, server.issuer, exchange.request.remoteAddress);
      const from = addressGroup(exchange.request.remoteAddress);
      if (path.startsWith(`${INTERACTION}/`)) return asker.run(from, () => interaction(provider, login, exchange));
      if (path === ROUTES.authorization) withScope(stack, req);
      res.setHeader('x-content-type-options', 'nosniff');
      await asker.run(from, () => provider.callback()(req, res));
      return null;
    },
    close() {
      unwatch();
      clearInterval(sweep);
      registered.close();
    },
  };
}

/** Cookies know no ports: a page of a service on this machine must not answer in the operator's place. */
function isOwnForm({ request }: Exchange, issuer: string): boolean {
  return request.fields('origin').every((origin) => origin === issuer);
}

/** The Host is looked at all the same. */
function withoutOrigin(exchange: Exchange): Exchange {
  const { request } = exchange;
  return {
    ...exchange,
    request: { ...request, fields: (name) => (name === 'origin' ? [] : request.fields(name)) },
  };
}

/**
 * The library makes addresses of what the request says of itself. They are to be the issuer's, so that is what it says; what a
 * client or proxy wrote there has been read before.
 */
function addressedToIssuer(req: IncomingMessage, issuer: string, remoteAddress: string): void {
  const { host, protocol } = new URL(issuer);
  req.headers.host = host;
  req.headers['x-forwarded-host'] = host;
  req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  req.headers['x-forwarded-for'] = remoteAddress;
}

/** RFC 6749 §3.3: a client that asks for no scope gets what the resource asks for first; `openid` stands for none at all. */
function withScope(stack: Stack, req: IncomingMessage): void {
  const url = new URL(req.url ?? '', 'http://localhost');
  const { searchParams } = url;
  if (searchParams.has('scope') || searchParams.has('request_uri')) return;
  const resource = searchParams.get('resource') ?? soleResource(stack) ?? '';
  const first = resourceOf(stack, resource)?.oauth?.scopes ?? [];
  searchParams.set('scope', first.length > 0 ? first.join(' ') : 'openid');
  req.url = url.pathname + url.search;
}
