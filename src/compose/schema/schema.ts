import { z } from 'zod';
import { ACCESS } from '../../core/route.ts';
import { SCHEMES } from '../config.ts';
import { commandKeys } from './command-schema.ts';
import { outagePattern } from './quantities.ts';
import { address, origin, serviceOauth, stackOauth } from './schema-oauth.ts';
import { operators } from './schema-operators.ts';
import {
  authority,
  cidr,
  count,
  duration,
  file,
  host,
  listen,
  method,
  mode,
  scope,
  service,
  size,
  some,
} from './schema-words.ts';
import { adminTls, keptCertificate, listenTls, upstreamTls } from './tls-schema.ts';

/**
 * The configuration file: one source for the check, the types and the JSON Schema. An `error` here is the hint that goes with
 * a fault ("write …"); what is wrong is said by schema-faults.ts. What depends on several keys is in checks.ts.
 */

const outage = z.string().regex(outagePattern, { error: 'write deny, or how old what is known may be: cached(5m)' });

const rateLimit = z.strictObject({
  limit: count.describe('How many requests are allowed per window.'),
  per: duration.describe('Length of the window; it begins with its first request.'),
  by: z
    .enum(['caller', 'address'])
    .optional()
    .describe('What is counted: the proven caller (default) or the client address.'),
});

const route = z.strictObject({
  path: z
    .string({ error: 'write a path within the service: /embed, /models/:name or /internal/*' })
    .describe(
      'Exact, with a :name for one segment, or with a final /* for all below; without the prefix of the service.',
    ),
  methods: some(method, 'all methods').optional().describe('Default: all methods. HEAD counts as GET.'),
  access: z
    .enum(ACCESS)
    .optional()
    .describe(
      'public: nobody is asked; any (default): any proven caller; service: a service only; operator: an operator only.',
    ),
  callers: some(z.string(), 'any caller')
    .optional()
    .describe('Who may call: names of services or of `callers`, or whole principal ids such as token:<uuid>.'),
  scopes: some(scope, 'no scope').optional().describe('Scopes that the credential must all have.'),
  allowedIps: some(cidr, 'any address').optional().describe('Client addresses in CIDR notation that may call.'),
  rateLimit: rateLimit.optional().describe('Requests per window; over it 429.'),
  mode: mode.optional().describe('Mode of this route, over that of the service and the stack.'),
  onStoreOutage: outage
    .optional()
    .describe('While the store is away: deny, or cached(5m) for what was known at most so long ago.'),
});

/** The rules of one service. */
export const routesSchema = z.array(route);

const names = some(z.string().min(1, { error: 'write a name; * in it stands for any characters' }), 'all of them');
const usable = {
  allow: names.optional().describe('What may be used, by name; * stands for any characters. Default: all.'),
  deny: names.optional().describe('What may not be used; beats allow.'),
};
const mcpRules = z.strictObject({
  ...usable,
  scopes: z
    .record(z.string().min(1), some(scope, 'no scope'), {
      error: 'write names below it: scopes: { "write_*": [files:write] }',
    })
    .optional()
    .describe('Scopes that the credential must have for what is named so; * stands for any characters.'),
  for: z
    .record(z.string(), z.strictObject(usable), { error: 'write callers below it: for: { aidb: { allow: [search] } }' })
    .optional()
    .describe('For single callers, instead of allow and deny above.'),
});

const upstreamKey = z.strictObject({
  file: file.describe('File that holds the key; a final line break is not part of it.'),
  header: z
    .enum(['authorization', 'x-api-key'])
    .optional()
    .describe('Where it goes: authorization (default, as a Bearer) or x-api-key.'),
});

const signature = z.strictObject({
  window: duration
    .optional()
    .describe(
      'Accepted distance between the clocks of caller and gateway, for service signatures; default AUTH_TIMESTAMP_WINDOW, else 300s.',
    ),
  replay: z
    .enum(['off', 'unsafe-methods', 'all'])
    .optional()
    .describe('Refuse a service signature seen before: off (default), unsafe-methods or all.'),
  age: duration.optional().describe('How old an HTTP signature may be; default 60s.'),
  skew: duration.optional().describe('How far the clock of the maker of an HTTP signature may be ahead; default 30s.'),
  hosts: some(authority, 'any')
    .optional()
    .describe('Hosts, with their ports, for which HTTP signatures are made that count here; default any.'),
});

const timeouts = z.strictObject({
  connect: duration.optional().describe('Until the upstream accepts the connection; default 5s. Over it 502.'),
  response: duration
    .optional()
    .describe('Until the head of the response; default 300s. Over it 504. An open stream has no limit.'),
});

const rotateEvery = duration.describe('Age at which the key of a caller is due to be replaced; default never.');
const rotateGrace = duration.describe(
  'How long an old key must have been unused before it is ended by itself; default 24h.',
);

const delivery = z
  .strictObject({
    file: file.optional().describe('A file with the key alone, mode 0600.'),
    envFile: file.optional().describe('A .env file with SERVICE_KEY; its other lines stay.'),
    redis: z
      .string()
      .optional()
      .describe('Redis, where the string service:key:<name> is set; for HMAC secrets (kind hs).'),
  })
  .meta({ minProperties: 1, maxProperties: 1 });

const serviceEntry = z.strictObject({
  upstream: z
    .string({ error: 'write the address of the service: upstream: http://127.0.0.1:8081' })
    .optional()
    .describe('Where the service listens: http or https, optionally with a base path.'),
  ...commandKeys,
  tls: upstreamTls.optional().describe('Of an https upstream: which authorities count, and what we show.'),
  listen: listen.optional().describe('A port of its own, where the whole path space belongs to the service.'),
  hosts: z.array(host).optional().describe('Host names that mean this service.'),
  mount: z.literal('/').optional().describe('/ takes every path that nothing else matches; one service only.'),
  accept: some(z.enum(SCHEMES), 'the default')
    .optional()
    .describe(
      'Schemes that may prove a caller; default api-key, service-signature, http-signature, session-token. oauth and client-certificate only where named.',
    ),
  authorization: z
    .enum(['ours', 'upstream'])
    .optional()
    .describe(
      'upstream: the Authorization header belongs to the upstream, is not read here and passes through; default ours.',
    ),
  passCredential: z
    .boolean()
    .optional()
    .describe('Pass the credential of the caller on to the upstream; default false.'),
  upstreamKey: upstreamKey.optional().describe('The own key of the upstream, put in when the caller was allowed.'),
  apiKeyFile: file
    .optional()
    .describe('The shared key of this service, when its file has another name than <service>_api_key.'),
  mode: mode.optional().describe('Mode of the service, over that of the stack.'),
  routes: routesSchema
    .optional()
    .describe('Rules for paths; the most specific path wins, whatever the order. Paths with no rule have access any.'),
  rateLimit: rateLimit.optional().describe('For every route of the service that has none of its own.'),
  onStoreOutage: outage
    .optional()
    .describe('For every route of the service that has none of its own; default cached(5m).'),
  protocol: z
    .literal('mcp', { error: 'write mcp, or leave it out for any other service' })
    .optional()
    .describe(
      'mcp: an MCP server, whose sessions belong to whoever opened them. Implied by tools, resources and prompts.',
    ),
  tools: mcpRules.optional().describe('Of an MCP server: which tools callers may see and call. Default: all.'),
  resources: mcpRules.optional().describe('Of an MCP server: which resources callers may see and read, by URI.'),
  prompts: mcpRules.optional().describe('Of an MCP server: which prompts callers may see and get.'),
  oauth: serviceOauth.optional().describe('Of a service that accepts oauth: which access tokens it takes.'),
  origins: some(origin, 'the default')
    .optional()
    .describe(
      'Origins of pages from which a browser may call; default any, with accept oauth that of the service alone.',
    ),
  maxSignedBody: size
    .optional()
    .describe(
      'Signed bodies, and messages to an MCP server with rules, are held until judged; over this size 413. Default 10MiB.',
    ),
  timeouts: timeouts.optional().describe('How long the upstream may take.'),
  signature: signature.optional().describe('How signatures are judged.'),
  rotateEvery: rotateEvery.optional(),
  rotateGrace: rotateGrace.optional(),
});

const keySource = z
  .strictObject({
    files: file
      .optional()
      .describe('Key files <service>_api_key, dashes of the service as underscores; * in the last component.'),
    envFiles: file.optional().describe('.env files that hold SERVICE_ID and SERVICE_KEY; * in the last component.'),
    redis: z.string().optional().describe('Redis with strings service:key:<id>.'),
  })
  .meta({ minProperties: 1, maxProperties: 1 });

export const configSchema = z.strictObject({
  listen: listen.optional().describe('Where the gateway and forward auth listen; default 127.0.0.1:8700.'),
  adminListen: listen.optional().describe('Where the admin endpoints listen; default 127.0.0.1:8701.'),
  tls: listenTls.optional().describe('TLS on listen and on the own ports of services; default plain HTTP.'),
  adminTls: adminTls.optional().describe('TLS on adminListen; default plain HTTP.'),
  adminHosts: z
    .array(host)
    .optional()
    .describe('Host names under which the admin endpoints answer besides adminListen.'),
  name: z.string().min(1).max(64).optional().describe('Shown by /info and the dashboard; default countersign.'),
  store: z
    .string()
    .optional()
    .describe(
      'memory:, sqlite:FILE, postgres://…, redis://… or supabase:https://…; default sqlite:.countersign/state.db.',
    ),
  mode: mode.optional().describe('off, report or enforce (default); a service or a route may say otherwise.'),
  trustedProxies: z.array(cidr).optional().describe('Peers whose description of the client is believed; default none.'),
  callers: z.array(service).optional().describe('Callers that are no service of this file; routes may name them.'),
  keys: z.array(keySource).optional().describe('Where keys come from, besides the store; default nowhere.'),
  rotateEvery: rotateEvery.optional(),
  rotateGrace: rotateGrace.optional(),
  deliver: z
    .record(service, delivery, { error: 'write callers below it: deliver: { aidb: { file: /etc/aidb/key } }' })
    .optional()
    .describe(
      'Where each caller reads its own key: it is written there when it is rotated. By the name of the caller.',
    ),
  publicUrl: address.optional().describe('Address under which callers reach the gateway; default that of listen.'),
  oauth: stackOauth.optional().describe('Whose OAuth access tokens count; default nobody’s.'),
  operators: operators.optional().describe('Operators who log in elsewhere; default nobody.'),
  certificates: z
    .record(service, keptCertificate, {
      error: 'write services below it: certificates: { gateway: { folder: /etc/countersign/tls } }',
    })
    .optional()
    .describe('Certificates of the internal CA that are kept in files here and renewed before they end.'),
  failedAttempts: z
    .strictObject({
      limit: count.optional().describe('Wrong secrets per window and address; default 10.'),
      per: duration.optional().describe('Length of the window; default 300s.'),
    })
    .optional()
    .describe('Count wrong secrets on service routes too; default off. The admin token is always guarded.'),
  audit: z
    .strictObject({
      log: z.boolean().optional().describe('A JSON line per decision on standard output; default true.'),
      rows: z.boolean().optional().describe('A row per decision in the store; default true.'),
      retain: duration.optional().describe('How long rows are kept; default 30d.'),
      retainRows: count.optional().describe('How many rows are kept at most; default 1000000.'),
      retainEvents: duration.optional().describe('How long events (who did what) are kept; default 400d.'),
      retainEventsCount: count.optional().describe('How many events are kept at most; default 100000.'),
    })
    .optional()
    .describe('What is kept of decisions.'),
  services: z
    .record(service, serviceEntry, {
      error: 'write the services below it: services: { NAME: { upstream: http://127.0.0.1:8081 } }',
    })
    .optional()
    .describe(
      'The services behind this gateway, by name. The name is the first segment of the path and the name that callers prove.',
    ),
  mcpConfig: file
    .optional()
    .describe('File of MCP servers as desktop clients have it, {"mcpServers": …}: each is a service, too.'),
});

export type RawConfig = z.infer<typeof configSchema>;
export type RawService = NonNullable<RawConfig['services']>[string];
export type RawRoute = NonNullable<RawService['routes']>[number];
export type RawDelivery = NonNullable<RawConfig['deliver']>[string];
export type RawMcpRules = NonNullable<RawService['tools']>;
export type RawRateLimit = NonNullable<RawRoute['rateLimit']>;

/** What editors check the file with; shipped as docs/countersign.schema.json. */
export function jsonSchema(): Record<string, unknown> {
  return {
    title: 'Countersign configuration (countersign.yaml)',
    ...z.toJSONSchema(configSchema),
    anyOf: [{ required: ['services'] }, { required: ['mcpConfig'] }],
  };
}
