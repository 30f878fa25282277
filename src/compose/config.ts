import type { AddressList } from '../core/address.ts';
import type { McpRules } from '../core/mcp/rules.ts';
import type { Mode } from '../core/mode.ts';
import type { RateLimit, RouteRule } from '../core/route.ts';

/** The configuration after reading: checked, defaults filled in, paths of files absolute. */
export interface StackConfig {
  /** Absolute path of countersign.yaml; null when the configuration was given as text. */
  readonly file: string | null;
  /** Absolute paths of the files of MCP servers whose servers are among the services. */
  readonly mcpFiles: readonly string[];
  /** Lower-case hex SHA-256 of what was read. */
  readonly digest: string;
  readonly name: string;
  readonly listen: ListenAddress;
  readonly adminListen: ListenAddress;
  /** TLS of listen and of the services' own ports, and of adminListen; null for plain HTTP. */
  readonly tls: ListenTlsConfig | null;
  readonly adminTls: Pick<ListenTlsConfig, 'cert' | 'key'> | null;
  /** Host names (lower case) under which the admin endpoints answer besides adminListen. */
  readonly adminHosts: readonly string[];
  readonly store: StoreConfig;
  /** The stack's mode as the file has it; enforce when it says nothing. */
  readonly mode: Mode;
  /** True when the file names no mode for the stack. */
  readonly modeIsDefault: boolean;
  readonly trustedProxies: AddressList;
  readonly keys: readonly KeySourceConfig[];
  /** Failed attempts on service routes; null: not counted. */
  readonly failedAttempts: { readonly limit: number; readonly windowSeconds: number } | null;
  readonly audit: AuditConfig;
  /** Life of a session token that asks for none (AUTH_TOKEN_TTL, 24 hours). */
  readonly tokenTtlSeconds: number;
  /** Callers that are no service here; routes may name them. */
  readonly outsideCallers: readonly string[];
  /** Age at which a caller's key is due to be replaced; null for never. */
  readonly rotateEverySeconds: number | null;
  /** How long an old key must have been unused before it is ended by itself. */
  readonly rotateGraceSeconds: number;
  /** Where callers read their keys, by name. */
  readonly deliver: ReadonlyMap<string, DeliveryConfig>;
  /** Under which callers reach the gateway, without a trailing slash. */
  readonly publicUrl: string;
  /** Whose access tokens count; null where OAuth plays no part. */
  readonly oauth: OauthConfig | null;
  /** Where operators log in besides here; null for nowhere. */
  readonly openid: OpenidConfig | null;
  /** Certificates of the internal CA that are kept in files on this machine. */
  readonly certificates: readonly CertificateConfig[];
  readonly services: readonly ServiceConfig[];
  /** What is allowed but looks like a slip, one line each with its place. */
  readonly warnings: readonly string[];
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Paths of PEM files, absolute. */
export interface ListenTlsConfig {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; null: none is asked for. */
  readonly clientCa: string | null;
  /** Of SPIFFE ids; null: they prove nobody. */
  readonly trustDomain: string | null;
  /** Services by the common name of certificates without a SPIFFE id. */
  readonly subjects: ReadonlyMap<string, string>;
}

/** <service>.crt, <service>.key and ca.pem in a folder. */
export interface CertificateConfig {
  readonly service: string;
  /** Absolute. */
  readonly folder: string;
  /** Names and addresses under which the service is reached. */
  readonly hosts: readonly string[];
  /** Life of a certificate. */
  readonly seconds: number;
}

/** Paths of PEM files, absolute; null for what the machine trusts, and for no certificate of ours. */
export interface UpstreamTlsConfig {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** The name that the upstream's certificate must have, where it is not that of the address. */
  readonly serverName: string | null;
}

export type StoreConfig =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'redis'; readonly url: string }
  | { readonly kind: 'supabase'; readonly url: string };

/** Patterns are absolute; '*' stands for any characters within the last component. */
export type KeySourceConfig =
  | { readonly kind: 'files'; readonly pattern: string }
  | { readonly kind: 'envFiles'; readonly pattern: string }
  | { readonly kind: 'redis'; readonly url: string };

/** Paths are absolute. */
export type DeliveryConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'envFile'; readonly path: string }
  | { readonly kind: 'redis'; readonly url: string };

export interface AuditConfig {
  /** Write a JSON line per decision to standard output. */
  readonly log: boolean;
  /** Keep a row per decision in the store. */
  readonly rows: boolean;
  readonly retainSeconds: number;
  readonly retainRows: number;
  /** Events older than this, or beyond the newest so many, are removed in the background. */
  readonly retainEventsSeconds: number;
  readonly retainEventsCount: number;
}

export interface OauthConfig {
  readonly issuers: readonly { readonly issuer: string; readonly jwksUri: string | null }[];
  /** The embedded authorization server; null for none. */
  readonly server: OauthServerConfig | null;
}

export interface OauthServerConfig {
  /** An origin, which is the admin's and no service's. */
  readonly issuer: string;
  readonly accessTokenSeconds: number;
  readonly refreshTokenSeconds: number;
  /** Whether clients may register themselves (RFC 7591). */
  readonly registration: boolean;
  /** How long one that did is kept after its last use. */
  readonly registeredClientSeconds: number;
  /** Whether a client may be the URL of a document that describes it. */
  readonly metadataDocuments: boolean;
}

/** An OpenID provider at which operators log in. */
export interface OpenidConfig {
  readonly issuer: string;
  readonly clientId: string;
  /** Absolute; null for a client without a secret. */
  readonly clientSecretFile: string | null;
  /** Besides openid. */
  readonly scopes: readonly string[];
  readonly nameClaim: string;
  readonly roleClaim: string;
  /** Values of the role claim. */
  readonly roles: { readonly operator: readonly string[]; readonly viewer: readonly string[] };
}

/** What a service says of the access tokens that it takes. */
export interface ServiceOauth {
  /** RFC 8707 identifier: what tokens are for. */
  readonly resource: string;
  readonly metadataUrl: string;
  /** What a client asks for first. */
  readonly scopes: readonly string[];
  /** All that any rule of the service asks for. */
  readonly scopesKnown: readonly string[];
  /** Null: every issuer of the stack. */
  readonly issuers: readonly string[] | null;
  readonly dpopRequired: boolean;
}

/** In the order in which they are asked. A JWT is known by its shape, so it is not looked for among foreign keys. */
export const SCHEMES = [
  'http-signature',
  'service-signature',
  'oauth',
  'api-key',
  'session-token',
  'client-certificate',
] as const;
export type SchemeName = (typeof SCHEMES)[number];

export interface ServiceConfig {
  readonly name: string;
  /** Origin and, where given, a base path without a trailing slash: http://127.0.0.1:8081/base; stdio://NAME for a command. */
  readonly upstream: string;
  /** An MCP server that is run here and speaks over its standard input and output; null for one that is reached over HTTP. */
  readonly command: CommandConfig | null;
  /** How an https upstream is spoken to; null for the usual way. */
  readonly tls: UpstreamTlsConfig | null;
  /** A port of its own, where the whole path space is the service's; null for none. */
  readonly listen: ListenAddress | null;
  /** Host names (lower case) that mean this service. */
  readonly hosts: readonly string[];
  /** '/' takes what nothing else matches. */
  readonly mount: '/' | null;
  readonly accept: readonly SchemeName[];
  /** 'upstream': the Authorization field belongs to the upstream; it is not read and passes through. */
  readonly authorization: 'ours' | 'upstream';
  /** Pass the caller's credential on to the upstream. */
  readonly passCredential: boolean;
  /** The upstream's own key, put in on an allowed verdict. */
  readonly upstreamKey: { readonly file: string; readonly header: 'authorization' | 'x-api-key' } | null;
  /** Where this service's shared key lies, when not under the usual name. */
  readonly apiKeyFile: string | null;
  readonly mode: Mode | null;
  readonly rules: readonly RouteRule[];
  /** For every route of the service that has none of its own. */
  readonly rateLimit: RateLimit | null;
  /** What callers may ask of an MCP server; null for other services. */
  readonly mcp: McpRules | null;
  /** Null: no access token is taken. */
  readonly oauth: ServiceOauth | null;
  /** Pages from which a browser may call, as Origin has them; null: any. */
  readonly origins: readonly string[] | null;
  /** How old what is known may be while the store is away, seconds; 0: not at all. */
  readonly staleSecondsMax: number;
  /** Bytes; signed bodies over it are 413. */
  readonly maxSignedBody: number;
  readonly timeouts: {
    readonly connectSeconds: number;
    /** Until the response's head; an open stream has no limit after it. */
    readonly responseSeconds: number;
  };
  readonly signature: {
    /** Of service signatures: accepted distance between the caller's clock and ours, seconds (AUTH_TIMESTAMP_WINDOW, 300). */
    readonly windowSeconds: number;
    readonly replay: 'off' | 'unsafe-methods' | 'all';
    /** How old an HTTP signature may be, seconds. */
    readonly ageSeconds: number;
    /** How far the clock of who made an HTTP signature may be ahead of ours, seconds. */
    readonly skewSeconds: number;
    /** For which hosts HTTP signatures are made that count; null for any. */
    readonly hosts: readonly string[] | null;
  };
  /** Of the service's own keys, over those of the stack; null for what the stack says. */
  readonly rotateEverySeconds: number | null;
  readonly rotateGraceSeconds: number | null;
}

/** How an MCP server is run. */
export interface CommandConfig {
  readonly command: string;
  readonly args: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A .env file with further variables, read when a process is started; absolute. */
  readonly envFile: string | null;
  /** Variables whose values are read when a process is started: from a file (absolute), or from a variable of ours. */
  readonly secrets: readonly CommandSecret[];
  /** Processes of one caller, and of all callers together. */
  readonly perCaller: number;
  readonly max: number;
  /** How long one that nobody uses is kept. */
  readonly idleSeconds: number;
  /** Resident, with all that it starts; bytes. */
  readonly memoryMax: number;
}

export type CommandSecret = { readonly name: string } & ({ readonly file: string } | { readonly variable: string });

/** First path segments that belong to the authority. */
export const RESERVED_SEGMENTS: readonly string[] = [
  'auth',
  'admin',
  'health',
  'info',
  'metrics',
  'mcp',
  'dashboard',
  'oauth',
  '.well-known',
];
