import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultLines } from './config.fixtures.ts';

/** What is written, the text, and the whole of what is said: line, column, what is wrong and what to write instead. */
const refused: readonly (readonly [name: string, text: string, lines: readonly string[]])[] = [
  [
    'unknown key at the top',
    'modes: report\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:1: unknown key "modes" — did you mean "mode"?'],
  ],
  [
    'unknown key of a service',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    acept: [api-key]\n',
    ['4:5: unknown key "acept" in service "a" — did you mean "accept"?'],
  ],
  [
    'unknown key of a route',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, method: [GET] }\n',
    ['5:21: unknown key "method" in entry 1 of routes — did you mean "methods"?'],
  ],
  [
    'a key at the wrong level',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    trustedProxies: [10.0.0.0/8]\n',
    ['4:5: unknown key "trustedProxies" in service "a" — "trustedProxies" belongs at the top of the file'],
  ],
  [
    'a key like nothing known',
    'zzz: 1\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    [
      '1:1: unknown key "zzz" — known here: listen, adminListen, tls, adminTls, adminHosts, name, store, mode, trustedProxies, callers, keys, rotateEvery, rotateGrace, deliver, publicUrl, oauth, operators, certificates, failedAttempts, audit, services, mcpConfig',
    ],
  ],
  [
    'a key written with dashes',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, rate-limit: { limit: 1, per: 1s } }\n',
    ['5:21: unknown key "rate-limit" in entry 1 of routes — did you mean "rateLimit"?'],
  ],
  [
    'no services',
    'name: x\n',
    [
      '1:1: "services" is missing — write the services below it: services: { NAME: { upstream: http://127.0.0.1:8081 } }',
    ],
  ],
  [
    'services is a list',
    'services:\n  - a\n',
    [
      '2:3: "services" must be a map, not a list — write the services below it: services: { NAME: { upstream: http://127.0.0.1:8081 } }',
    ],
  ],
  [
    'an empty map of services',
    'services: {}\n',
    ['1:1: no service is configured — name at least one: NAME: { upstream: http://127.0.0.1:8081 }'],
  ],
  [
    'a service without upstream',
    'services:\n  a:\n    accept: [api-key]\n',
    [
      '2:3: "upstream" is missing in service "a" — write the address of the service: upstream: http://127.0.0.1:8081, or, to run an MCP server here, command: npx',
    ],
  ],
  [
    'a service that is empty',
    'services:\n  a:\n',
    ['2:3: service "a" has no value — write "key: value" lines below it, indented'],
  ],
  [
    'a service name with a colon',
    'services:\n  "a:b": { upstream: http://127.0.0.1:9001 }\n',
    [
      '2:3: "a:b" is not a valid name — a name has letters, digits, ".", "_" and "-", begins with a letter or digit and has at most 128 characters',
    ],
  ],
  [
    'a reserved service name',
    'services:\n  metrics: { upstream: http://127.0.0.1:9001 }\n',
    [
      '2:3: the service name "metrics" is reserved: its path /metrics belongs to Countersign — write another name, for example metrics-service',
    ],
  ],
  [
    'a service named stack',
    'services:\n  stack: { upstream: http://127.0.0.1:9001 }\n',
    [
      '2:3: the service name "stack" is reserved: the file stack_api_key is the key of the whole stack — write another name, for example stack-service',
    ],
  ],
  [
    'two services with one key file',
    'services:\n  a-b: { upstream: http://127.0.0.1:9001 }\n  a_b: { upstream: http://127.0.0.1:9002 }\n',
    [
      '3:3: the services "a-b" and "a_b" would share the key file a_b_api_key — names must differ in more than dashes and underscores',
    ],
  ],
  [
    'a wrong mode',
    'mode: enforced\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:7: "enforced" is not a valid "mode" — did you mean "enforce"? write off, report or enforce'],
  ],
  [
    'a mode in capitals',
    'mode: Report\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:7: "Report" is not a valid "mode" — did you mean "report"? write off, report or enforce'],
  ],
  [
    'a wrong access',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, access: pubic }\n',
    ['5:29: "pubic" is not a valid "access" — did you mean "public"? write public, any, service or operator'],
  ],
  [
    'an unknown scheme',
    'services:\n  a: { upstream: http://127.0.0.1:9001, accept: [apikey] }\n',
    [
      '2:50: "apikey" is not valid in "accept" — did you mean "api-key"? write http-signature, service-signature, oauth, api-key, session-token or client-certificate',
    ],
  ],
  [
    'OAuth without an issuer',
    'services:\n  a: { upstream: http://127.0.0.1:9001, accept: [oauth] }\n',
    ['2:50: no issuer of tokens is named — write oauth: { server: {} } or oauth: { issuers: […] } at the top'],
  ],
  [
    'OAuth tokens that would be passed on',
    'oauth: { issuers: [{ issuer: https://a.example }] }\nservices:\n  a: { upstream: http://127.0.0.1:9001, accept: [oauth], passCredential: true }\n',
    ['3:74: OAuth tokens are never passed on: they are for this service alone — leave out passCredential'],
  ],
  [
    'an issuer in the clear, and one with a query',
    'oauth: { issuers: [{ issuer: http://a.example }, { issuer: https://b.example/?a }] }\nservices:\n  a: { upstream: http://127.0.0.1:9001, accept: [oauth] }\n',
    [
      '1:30: the issuer is reached without encryption — write https://HOST, or http on this machine',
      '1:60: the issuer has a query, a fragment or credentials — write https://HOST, or http on this machine',
    ],
  ],
  [
    'an authorization server on an origin that is not the admin’s',
    'oauth: { server: { issuer: https://a.example } }\nservices:\n  a: { upstream: http://127.0.0.1:9001, accept: [oauth] }\n',
    ['1:28: a.example is not one of adminHosts — write adminHosts: [a.example]'],
  ],
  [
    'an address of tokens that nobody can know',
    'listen: 0.0.0.0:8700\noauth: { server: {} }\nservices:\n  a: { upstream: http://127.0.0.1:9001, accept: [oauth] }\n',
    ['4:41: tokens name the address that callers see, and it is not known — write publicUrl: https://… at the top'],
  ],
  [
    'an empty accept',
    'services:\n  a: { upstream: http://127.0.0.1:9001, accept: [] }\n',
    ['2:49: "accept" is an empty list — list at least one, or leave the key out for the default'],
  ],
  [
    'an unknown caller',
    'callers: [hybrid-coordinator]\nservices:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: [hybrid-cordinator] }\n',
    [
      '6:31: unknown caller "hybrid-cordinator" — did you mean "hybrid-coordinator"? A caller that is no service is named at the top of the file: callers: [hybrid-cordinator]',
    ],
  ],
  [
    'an unknown caller like nobody',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: [nobody-here] }\n',
    [
      '5:31: unknown caller "nobody-here" — add it to the services, give it a key (countersign keys create nobody-here), or name it at the top of the file: callers: [nobody-here]',
    ],
  ],
  [
    'a caller that is no principal',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: ["role:admin"] }\n',
    ['5:31: "role:admin" is not a principal — write service:NAME, token:ID, client:ID or operator:NAME'],
  ],
  [
    'a holder as caller',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: ["holder:a"] }\n',
    [
      '5:31: the caller holder:a can never match: a key that many hold names nobody — give each caller a key of its own: countersign keys create NAME',
    ],
  ],
  [
    'a pattern of callers',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: ["token:*", "client:*", "client:https://x.test/*.json"] }\n',
    [
      '5:31: the caller token:* can never match: callers are no patterns — name each of them, or ask for a scope: scopes: [NAME]',
      '5:42: the caller client:* can never match: callers are no patterns — name each of them, or ask for a scope: scopes: [NAME]',
    ],
  ],
  [
    'a pattern of callers in the rules for tools',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    tools: { for: { "operator:*": { allow: [x] } } }\n',
    [
      '4:21: the caller operator:* can never match: callers are no patterns — name each of them, or ask for a scope: scopes: [NAME]',
    ],
  ],
  [
    'an unknown service as principal',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: ["service:b"] }\n',
    [
      '5:31: unknown caller "b" — add it to the services, give it a key (countersign keys create b), or name it at the top of the file: callers: [b]',
    ],
  ],
  [
    'a token where services only',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, access: service, callers: ["token:1"] }\n',
    ['5:48: access: service shuts out token:1 — leave out access, or this caller'],
  ],
  [
    'a service where operators only',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, access: operator, callers: [a] }\n',
    ['5:49: access: operator shuts out the service a — leave out access, or this caller'],
  ],
  [
    'an empty list of callers',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, callers: [] }\n',
    ['5:30: "callers" is an empty list — list at least one, or leave the key out for any caller'],
  ],
  [
    'public with callers',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, access: public, callers: [a], scopes: [s] }\n',
    [
      '5:37: access: public and callers contradict each other: on a public route nobody is asked — leave out callers, or write access: any',
      '5:51: access: public and scopes contradict each other: on a public route nobody is asked — leave out scopes, or write access: any',
    ],
  ],
  [
    'duplicate path',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, methods: [GET, POST] }\n      - { path: /x, methods: [POST] }\n',
    ['6:17: two rules for POST /x — merge the two, or give them different methods'],
  ],
  [
    'duplicate path by another name',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /m/:id }\n      - { path: /m/:name }\n',
    [
      '6:17: two rules for all methods of /m/:name (the rule for /m/:id covers the same paths) — merge the two, or give them different methods',
    ],
  ],
  [
    'duplicate path by encoding',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /m@x }\n      - { path: /m%40x }\n',
    [
      '6:17: two rules for all methods of /m%40x (the rule for /m@x covers the same paths) — merge the two, or give them different methods',
    ],
  ],
  [
    'a path without slash',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: x }\n',
    ['5:17: the path "x" must begin with a slash — write /x'],
  ],
  [
    'a path with a slash at the end',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x/ }\n',
    ['5:17: the path "/x/" ends in a slash — leave it out, a rule covers its path with a trailing slash too'],
  ],
  [
    'a path with a star within',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x*/y }\n',
    ['5:17: the path "/x*/y" has a "*" that is not the whole last segment — write /a/* or /a/:name/b'],
  ],
  [
    'a path with a dot segment',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x/../y }\n',
    [
      '5:17: the path "/x/../y" can never match: the path holds a dot segment — write /embed, /models/:name or /internal/*',
    ],
  ],
  [
    'a path that is a number',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: 7 }\n',
    ['5:17: "path" must be a text, not 7 — write a path within the service: /embed, /models/:name or /internal/*'],
  ],
  [
    'a route without path',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { access: public }\n',
    [
      '5:9: "path" is missing in entry 1 of routes — write a path within the service: /embed, /models/:name or /internal/*',
    ],
  ],
  [
    'a route that is a text',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - /x\n',
    ['5:9: entry 1 of routes must be a map, not "/x" — write "key: value" lines below it, indented'],
  ],
  [
    'routes as a map',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes: { path: /x }\n',
    ['4:13: "routes" must be a list, not a map — write a list: each entry begins with "- "'],
  ],
  [
    'methods in lower case',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, methods: [get] }\n',
    ['5:31: "get" is not valid in "methods" — write methods in upper case: [GET, POST]'],
  ],
  [
    'methods as a text',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, methods: GET }\n',
    ['5:30: "methods" must be a list, not "GET" — write a list: [GET]'],
  ],
  [
    'a scope with a space',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, scopes: ["a b"] }\n',
    ['5:30: "a b" is not valid in "scopes" — a scope has no spaces or quotes: embed:write'],
  ],
  [
    'a bad CIDR in a route',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, allowedIps: [10.0.0.0/33] }\n',
    ['5:34: "10.0.0.0/33" needs a prefix length from 0 to 32 — write for example 10.0.0.0/32'],
  ],
  [
    'a bad CIDR among proxies',
    'trustedProxies: [localhost]\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:18: "localhost" is not an IP address or CIDR — write for example 10.0.0.0/8 or fd00::/8'],
  ],
  [
    'a bad duration',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, rateLimit: { limit: 5, per: 1 minute } }\n',
    ['5:49: "1 minute" is not a valid "per" — write a number and a unit: 60s, 5m, 24h or 90d'],
  ],
  [
    'a bad limit',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, rateLimit: { limit: 0, per: 60s } }\n',
    ['5:41: 0 is too small for "limit" — write 1 or more'],
  ],
  [
    'a rate limit without window',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, rateLimit: { limit: 5 } }\n',
    ['5:21: "per" is missing in "rateLimit" — write a number and a unit: 60s, 5m, 24h or 90d'],
  ],
  [
    'a rate limit by nothing known',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    routes:\n      - { path: /x, rateLimit: { limit: 5, per: 60s, by: ip } }\n',
    ['5:58: "ip" is not a valid "by" — write caller or address'],
  ],
  [
    'a bad size',
    'services:\n  a: { upstream: http://127.0.0.1:9001, maxSignedBody: 10MB }\n',
    ['2:56: "10MB" is not a valid "maxSignedBody" — write a number and a unit: 512KiB, 10MiB or 1GiB'],
  ],
  [
    'upstream with credentials',
    'services:\n  a: { upstream: "http://me:hunter2@127.0.0.1:9001/x" }\n',
    [
      '2:18: the upstream has credentials in it — write http://127.0.0.1:9001 and put the key into a file named by upstreamKey: { file: … }',
    ],
  ],
  [
    'upstream with a query',
    'services:\n  a: { upstream: "http://127.0.0.1:9001/x?key=1" }\n',
    ['2:18: the upstream has a query — write http://127.0.0.1:9001/x'],
  ],
  [
    'upstream with a fragment',
    'services:\n  a: { upstream: "http://127.0.0.1:9001/#x" }\n',
    ['2:18: the upstream has a fragment — write http://127.0.0.1:9001'],
  ],
  [
    'upstream without scheme',
    'services:\n  a: { upstream: 127.0.0.1:9001 }\n',
    ['2:18: the upstream is not an http or https address — write http://HOST:PORT, for example http://127.0.0.1:8081'],
  ],
  [
    'upstream of another scheme',
    'services:\n  a: { upstream: ftp://127.0.0.1 }\n',
    ['2:18: the upstream is not an http or https address — write http://HOST:PORT, for example http://127.0.0.1:8081'],
  ],
  [
    'upstream that is ourselves',
    'services:\n  a: { upstream: http://localhost:8700 }\n',
    [
      '2:18: the upstream http://localhost:8700 is Countersign itself: requests would go in a circle — write the address of the service, or let Countersign listen elsewhere',
    ],
  ],
  [
    'upstream that is our admin port',
    'adminListen: 0.0.0.0:9000\nservices:\n  a: { upstream: http://127.0.0.1:9000 }\n',
    [
      '3:18: the upstream http://127.0.0.1:9000 is Countersign itself: requests would go in a circle — write the address of the service, or let Countersign listen elsewhere',
    ],
  ],
  [
    'a missing key file',
    'services:\n  a: { upstream: http://127.0.0.1:9001, apiKeyFile: nowhere/a_key }\n',
    [
      '2:53: the file /nowhere/nowhere/a_key does not exist — write the path of a file; a relative one starts at the folder of the configuration',
    ],
  ],
  [
    'a missing upstream key file',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    upstreamKey: { file: nowhere/a_key }\n',
    [
      '4:26: the file /nowhere/nowhere/a_key does not exist — write the path of a file; a relative one starts at the folder of the configuration',
    ],
  ],
  [
    'a key pattern with a star in the folder',
    'keys:\n  - files: /run/*/a_key\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['2:12: a "*" is possible in the last component only — write one entry per folder, for example /run/secrets/a_key'],
  ],
  [
    'a key source of two kinds',
    'keys:\n  - { files: /*, envFiles: /* }\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['2:5: one entry names several key sources — write one of files, envFiles and redis per entry'],
  ],
  [
    'an empty key source',
    'keys:\n  - {}\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['2:5: the key source is empty — write one of files, envFiles and redis per entry'],
  ],
  [
    'a key source as text',
    'keys:\n  - /run/secrets/*_api_key\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['2:5: entry 1 of keys must be a map, not a text — write "key: value" lines below it, indented'],
  ],
  [
    'a command with its arguments',
    'services:\n  a: { command: [npx, -y, server] }\n',
    [
      '2:17: "command" must be a text, not a list — write the program alone, and its arguments beside it: command: npx, args: [-y, NAME]',
    ],
  ],
  [
    'a secret where the place of one belongs, without saying it',
    `keys: redis://:s3cret@127.0.0.1:6379
services:
  a: { upstream: http://127.0.0.1:9001, upstreamKey: s3cret }
  b: { command: cat, secrets: { A: s3cret, B: { env: "s3cret!" } }, env: { C: 3131 } }
  keys: { upstream: http://127.0.0.1:9001, mode: enfroce }
`,
    [
      '1:7: "keys" must be a list, not a text — write a list: each entry begins with "- "',
      '3:54: "upstreamKey" must be a map, not a text — write "key: value" lines below it, indented',
      '4:36: "A" must be a map, not a text — write "key: value" lines below it, indented',
      '4:54: a text is not a valid "env" — write the name of an environment variable: API_TOKEN',
      '4:79: "C" must be a text, not a number — put it in quotes',
      '5:50: "enfroce" is not a valid "mode" — did you mean "enforce"? write off, report or enforce',
    ],
  ],
  [
    'listen without port',
    'listen: 127.0.0.1\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:9: "127.0.0.1" is not an address to listen on — write host and port: 127.0.0.1:8700 or [::1]:8700'],
  ],
  [
    'listen as a number',
    'listen: 8700\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:9: "listen" must be a text, not 8700 — write host and port: 127.0.0.1:8700'],
  ],
  [
    'one port for both',
    'listen: 127.0.0.1:8701\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    [
      '1:9: 127.0.0.1:8701 is listened on already (127.0.0.1:8701) — give each listen, adminListen and service a port of its own',
    ],
  ],
  [
    'a port of a service twice',
    'services:\n  a: { upstream: http://127.0.0.1:9001, listen: "127.0.0.1:7001" }\n  b: { upstream: http://127.0.0.1:9002, listen: "0.0.0.0:7001" }\n',
    [
      '3:49: 0.0.0.0:7001 is listened on already (127.0.0.1:7001) — give each listen, adminListen and service a port of its own',
    ],
  ],
  [
    'one host for two services',
    'services:\n  a: { upstream: http://127.0.0.1:9001, hosts: [t.example.org] }\n  b: { upstream: http://127.0.0.1:9002, hosts: [t.example.org] }\n',
    ['3:49: the host t.example.org means the service "a" already — a host name can mean one service only'],
  ],
  [
    'a host with a port',
    'services:\n  a: { upstream: http://127.0.0.1:9001, hosts: ["T.example.org:80"] }\n',
    [
      '2:49: "T.example.org:80" is not valid in "hosts" — write a host name in lower case, without scheme and port: tools.example.org',
    ],
  ],
  [
    'two mounts',
    'services:\n  a: { upstream: http://127.0.0.1:9001, mount: / }\n  b: { upstream: http://127.0.0.1:9002, mount: / }\n',
    ['3:48: the service "a" has mount: / already — only one service can take what nothing else matches'],
  ],
  [
    'another mount',
    'services:\n  a: { upstream: http://127.0.0.1:9001, mount: /a }\n',
    ['2:48: "/a" is not a valid "mount" — write /'],
  ],
  [
    'two credentials in one header',
    'services:\n  a:\n    upstream: http://127.0.0.1:9001\n    passCredential: true\n    upstreamKey: { file: /dev/null }\n',
    [
      '5:5: the Authorization header of the upstream would be set twice: by the caller and by upstreamKey — leave out upstreamKey or passCredential and authorization, or write header: x-api-key',
    ],
  ],
  [
    'a boolean in quotes',
    'services:\n  a: { upstream: http://127.0.0.1:9001, passCredential: "yes" }\n',
    ['2:57: "passCredential" must be true or false, not "yes" — write true or false, without quotes'],
  ],
  [
    'a name that is a number',
    'name: 7\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:7: "name" must be a text, not 7 — put it in quotes: "7"'],
  ],
  [
    'a store of no known form',
    'store: mysql://root:pw@db/x\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:8: the store is of no known form — write memory, sqlite:FILE, postgres://…, redis://… or supabase:https://…'],
  ],
  [
    'a store on a database of Redis that is no number',
    'store: redis://:hunter2@127.0.0.1/stack\nkeys: [{ redis: redis:///run/redis.sock }]\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    [
      '1:8: the address of Redis is of no known form — write redis://127.0.0.1:6379/0, with the number of the database',
      '2:17: the address of Redis is of no known form — write redis://127.0.0.1:6379/0, with the number of the database',
    ],
  ],
  [
    'the number of a database of Redis behind a question mark',
    'store: redis://:hunter2@127.0.0.1/?db=5\nkeys: [{ redis: "redis://127.0.0.1?db=5" }]\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    [
      '1:8: the address of Redis has the number of its database behind a question mark — write it behind the address: redis://127.0.0.1:6379/5',
      '2:17: the address of Redis has the number of its database behind a question mark — write it behind the address: redis://127.0.0.1:6379/5',
    ],
  ],
  [
    'a Supabase store with a password in its address',
    'store: supabase:https://u:pw@db/x\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:8: the store is of no known form — write memory, sqlite:FILE, postgres://…, redis://… or supabase:https://…'],
  ],
  [
    'a duplicate key',
    'name: x\nname: y\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['2:1: the key "name" is written twice — the first one is on line 1; keep one of the two'],
  ],
  [
    'an alias',
    'name: &n x\nstore: *n\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    [
      '1:7: anchors (&name) are not read — leave the anchor out',
      '2:8: aliases (*name) are not read — write the value out',
    ],
  ],
  [
    'a tag',
    'name: !!binary x\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:7: the tag tag:yaml.org,2002:binary is not read — write a plain value; quotes make a string'],
  ],
  [
    'two documents',
    'services:\n  a: { upstream: http://127.0.0.1:9001 }\n---\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['3:1: the file holds more than one YAML document — leave out the "---" lines; one file is one configuration'],
  ],
  [
    'another YAML',
    '%YAML 1.1\n---\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:1: the file asks for another version of YAML — leave out the %YAML line: YAML 1.2 is read'],
  ],
  [
    'an item of a list whose next line is not below its first',
    'services:\n  - path: /x\n   methods: 1\n',
    [
      '3:1: not valid YAML: sequence item without - indicator — check indentation, quotes and brackets here and on the line above',
    ],
  ],
  [
    'a key without a colon',
    'services:\n  a:\n    upstream http://127.0.0.1:1\n    mode: off\n',
    [
      '3:5: not valid YAML: implicit keys need to be on a single line — write a colon and a space behind the key, and check the indentation',
    ],
  ],
  [
    'a quote that is not closed',
    'name: "x\n',
    ['2:1: not valid YAML: missing closing "quote — close the quote or bracket that was opened'],
  ],
  ['a tab', 'services:\n\ta: 1\n', ['2:1: not valid YAML: tabs are not allowed as indentation — indent with spaces']],
  [
    'an open bracket',
    'services: { a: { upstream: x }\n',
    [
      '2:1: not valid YAML: flow map in block collection must be sufficiently indented and end with a } — check indentation, quotes and brackets here and on the line above',
    ],
  ],
  [
    'a colon in a plain value',
    'name: a: b\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    [
      '1:7: not valid YAML: nested mappings are not allowed in compact mappings — put a value that holds ": " in quotes, and check the indentation',
    ],
  ],
  [
    'a forbidden key',
    '__proto__: 1\nservices:\n  a: { upstream: http://127.0.0.1:9001 }\n',
    ['1:1: the key "__proto__" is not read — leave it out'],
  ],
  [
    'an empty file',
    '',
    ['1:1: the file is empty — write at least a service: services: { NAME: { upstream: http://127.0.0.1:8081 } }'],
  ],
  ['a list', '- a\n', ['1:1: the file must be a map, not a list — write "key: value" lines below it, indented']],
  ['a text', 'hello\n', ['1:1: the file must be a map, not "hello" — write "key: value" lines below it, indented']],
  [
    'a merge key',
    'services:\n  a: { upstream: http://127.0.0.1:9001, <<: { mode: off } }\n',
    [
      '2:41: unknown key "<<" in service "a" — known here: upstream, command, args, cwd, env, envFile, secrets, processes, tls, listen, hosts, mount, accept, authorization, passCredential, upstreamKey, apiKeyFile, mode, routes, rateLimit, onStoreOutage, protocol, tools, resources, prompts, oauth, origins, maxSignedBody, timeouts, signature, rotateEvery, rotateGrace',
    ],
  ],
  [
    'a timestamp window of nothing',
    'services:\n  a: { upstream: http://127.0.0.1:9001, signature: { window: 0 } }\n',
    ['2:62: 0 is too small for "window" — write a number and a unit: 60s, 5m, 24h or 90d'],
  ],
  [
    'an unknown way to look for replays',
    'services:\n  a: { upstream: http://127.0.0.1:9001, signature: { replay: on } }\n',
    ['2:62: "on" is not a valid "replay" — write off, unsafe-methods or all'],
  ],
  [
    'deliveries of keys that cannot be meant',
    'rotateEvery: 1d\ndeliver:\n  b: { file: /tmp/k }\n  a: { file: /tmp/k, redis: http://x:hunter2@y }\n  c: {}\ncallers: [c]\nservices:\n  a: { upstream: http://127.0.0.1:9001, rotateGrace: 2d }\n',
    [
      '1:14: keys would be replaced before the old ones have been unused for rotateGrace — write a rotateGrace shorter than rotateEvery',
      '3:3: unknown caller "b" — name it at the top of the file: callers: [b]',
      '4:3: the key of "a" has several places — write one of file, envFile and redis',
      '4:14: the key of "b" is delivered to this file already — give each caller a file of its own',
      '4:29: the address of Redis is of no known form — write redis://127.0.0.1:6379/0, with the number of the database',
      '5:3: nothing says where the key of "c" goes — write one of file, envFile and redis',
      '8:54: keys would be replaced before the old ones have been unused for rotateGrace — write a rotateGrace shorter than rotateEvery',
    ],
  ],
  [
    'several faults, in the order of the file',
    'mode: raport\nservices:\n  admin:\n    upstream: http://u:p@127.0.0.1\n    routes:\n      - { path: /x, callers: [nobody] }\n      - { path: /x, methods: [get] }\n  b:\n    upstrem: http://127.0.0.1:9002\n',
    [
      '1:7: "raport" is not a valid "mode" — did you mean "report"? write off, report or enforce',
      '3:3: the service name "admin" is reserved: its path /admin belongs to Countersign — write another name, for example admin-service',
      '4:15: the upstream has credentials in it — write http://127.0.0.1 and put the key into a file named by upstreamKey: { file: … }',
      '6:31: unknown caller "nobody" — add it to the services, give it a key (countersign keys create nobody), or name it at the top of the file: callers: [nobody]',
      '7:31: "get" is not valid in "methods" — write methods in upper case: [GET, POST]',
      '8:3: "upstream" is missing in service "b" — write the address of the service: upstream: http://127.0.0.1:8081, or, to run an MCP server here, command: npx',
      '9:5: unknown key "upstrem" in service "b" — did you mean "upstream"?',
    ],
  ],
];

for (const [name, text, lines] of refused) {
  test(`refuses, with place and remedy: ${name}`, () => assert.deepEqual(faultLines(text), lines));
}
