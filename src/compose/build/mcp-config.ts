import { statSync } from 'node:fs';
import { isObject, type JsonObject } from '../../core/json/object.ts';
import { isServed, mcpServersIn } from '../../core/mcp/servers.ts';
import { configText } from '../schema/config-text.ts';
import { ConfigError, wholeFault, type Fault } from '../faults.ts';
import { isSecretName } from './secret-name.ts';
import { shellWord } from '../../core/text/shell-word.ts';

/** Gemini CLI has httpUrl, Windsurf serverUrl. */
const addressNames = ['url', 'httpUrl', 'serverUrl'] as const;

/** Keys of an entry that mean nothing to a server of many callers. */
const leftOut: ReadonlySet<string> = new Set([
  'type',
  'disabled',
  'autoApprove',
  'alwaysAllow',
  'timeout',
  'description',
  'dev',
  'gallery',
  'version',
  ...addressNames,
]);

/** The servers of a file of MCP servers as desktop clients have it, as services of a configuration. */
export interface McpServers {
  readonly file: string;
  /** A configuration of these services and nothing else. */
  readonly text: string;
  /** Where callers of the gateway find each server: its name, and behind it the path of its url, which is kept. */
  readonly addresses: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Reads {"mcpServers": {NAME: {"command", "args", "env"} | {"url"}}}, or "servers" as VS Code has it. Throws a ConfigError with every
 * fault.
 */
export function mcpServers(file: string): McpServers {
  const servers = serversIn(file);
  const services = servicesOf(file, servers);
  const warnings = [...openSecrets(file, services), ...clientVariables(file, services), ...queries(file, servers)];
  const addresses = Object.keys(services).map((name) => `/${name}${pathOf(servers[name])}`);
  return { file, text: JSON.stringify({ services }, null, 2), addresses, warnings };
}

function serversIn(file: string): JsonObject {
  const text = configText(file, 'name the file of MCP servers that is meant');
  let servers: JsonObject | null;
  try {
    servers = mcpServersIn(text);
  } catch {
    throw fault(file, 'the file is no JSON', 'write it like {"mcpServers": {"files": {"command": "npx", "args": []}}}');
  }
  if (servers === null || Object.keys(servers).length === 0)
    throw fault(
      file,
      '"mcpServers" is missing or empty',
      'name at least one: {"mcpServers": {"files": {"command": "npx"}}}; VS Code calls it "servers"',
    );
  return servers;
}

function servicesOf(file: string, servers: JsonObject): Readonly<Record<string, JsonObject>> {
  const faults: Fault[] = [];
  const services = Object.entries(servers)
    .filter(([, server]) => isServed(server))
    .map(([name, server]): [string, JsonObject] => {
      const service = serviceOf(server);
      if ('fault' in service) faults.push(wholeFault(`the server "${name}" ${service.fault}`, service.hint));
      return [name, 'fault' in service ? {} : service.of];
    });
  if (faults.length > 0) throw new ConfigError(file, faults);
  return Object.fromEntries(services);
}

type Service = { readonly of: JsonObject } | { readonly fault: string; readonly hint: string };

function serviceOf(server: unknown): Service {
  if (!isObject(server)) return { fault: 'is no object', hint: 'write {"command": …} or {"url": …}' };
  const { headers, ...rest } = server;
  const url = addressOf(server);
  const service = Object.fromEntries(Object.entries(rest).filter(([key]) => !leftOut.has(key)));
  if (headers !== undefined && (!isObject(headers) || Object.keys(headers).length > 0))
    return { fault: 'has headers', hint: inPlaceOf(headers) };
  if (/\$\{/.test(String(server['envFile'])))
    return { fault: 'has an envFile with a variable, which only clients fill in', hint: 'write its path out' };
  if (url === undefined) return { of: service };
  if (typeof url !== 'string' || !URL.canParse(url))
    return { fault: 'has a url that is no address', hint: 'write http:// or https://' };
  // The path stays the client's: it calls /NAME/mcp where the server has /mcp.
  const { protocol, host, username, password } = new URL(url);
  if (username !== '' || password !== '')
    return { fault: 'has credentials in its url', hint: inPlaceOf({ authorization: '' }) };
  return { of: { ...service, upstream: `${protocol}//${host}` } };
}

function addressOf(server: JsonObject): unknown {
  const name = addressNames.find((known) => known in server);
  return name && server[name];
}

/** Without the query, which may hold a key. */
function pathOf(server: unknown): string {
  const url = isObject(server) ? addressOf(server) : undefined;
  return typeof url === 'string' ? new URL(url).pathname : '/';
}

/** What the gateway sends to a server by itself is its key; all else goes through as callers send it. */
function inPlaceOf(headers: unknown): string {
  const names = Object.keys(isObject(headers) ? headers : {}).map((name) => name.toLowerCase());
  const header = ['authorization', 'x-api-key'].find((name) => names.includes(name));
  if (header === undefined) return 'leave them out here: what its callers send in them is passed on';
  const more = header === 'authorization' ? '' : `, "header": "${header}"`;
  const alone = header === 'authorization' ? 'the key alone, without "Bearer",' : 'the key';
  return `put ${alone} into a file that only you can read, and write in place of them: "upstreamKey": {"file": "FILE"${more}}`;
}

/** Whoever has the file opened in a client sees them filled in, and a program that is run here gets them to the letter. */
function clientVariables(file: string, services: Readonly<Record<string, JsonObject>>): string[] {
  return Object.entries(services).flatMap(([name, { env, command, args, cwd }]) => {
    const inEnv = Object.entries(isObject(env) ? env : {}).filter(([, value]) => /\$\{[^}]+\}/.test(String(value)));
    const words = [command, cwd, ...(Array.isArray(args) ? args : [])];
    const inWords = words.some((word) => /\$\{(?:(?:input|env):|workspaceFolder|userHome)/.test(String(word)));
    const only = 'which only clients fill in';
    return [
      ...inEnv.map(
        ([key]) =>
          `${file}: "${key}" of "${name}" holds a variable, ${only}; write "secrets": {"${key}": {"env": "${key}"}}`,
      ),
      ...(inWords ? [`${file}: the command of "${name}" holds a variable, ${only}; write its value out`] : []),
    ];
  });
}

/** Some servers have their key there, and would refuse every call without a word of why. */
function queries(file: string, servers: JsonObject): string[] {
  return Object.entries(servers).flatMap(([name, server]) => {
    const url = isObject(server) ? addressOf(server) : undefined;
    if (typeof url !== 'string' || !URL.canParse(url) || new URL(url).search === '') return [];
    return [
      `${file}: what stands behind the "?" in the url of "${name}" is sent only where callers write it themselves: move it from there into the url in their files, or, where it is a key that the server takes in a header too, into an upstreamKey`,
    ];
  });
}

function openSecrets(file: string, services: Readonly<Record<string, JsonObject>>): string[] {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  const holds = Object.values(services).some(({ env }) => isObject(env) && Object.keys(env).some(isSecretName));
  if (!holds || (mode & 0o077) === 0) return [];
  return [`${file}: holds secrets, and others on this machine can read it; run: chmod 600 ${shellWord(file)}`];
}

function fault(file: string, message: string, hint: string): ConfigError {
  return new ConfigError(file, [wholeFault(message, hint)]);
}
