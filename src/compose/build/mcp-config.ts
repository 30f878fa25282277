import { statSync } from 'node:fs';
import { isObject, type JsonObject } from '../../core/mcp-messages.ts';
import { configText } from '../schema/config-text.ts';
import { ConfigError, wholeFault } from '../faults.ts';
import { isSecretName } from './secret-name.ts';
import { shellWord } from '../../core/shell-word.ts';

/** Keys of an entry that mean nothing to a server of many callers. */
const leftOut: ReadonlySet<string> = new Set([
  'type',
  'disabled',
  'autoApprove',
  'alwaysAllow',
  'timeout',
  'description',
]);

/** The servers of a file of MCP servers as desktop clients have it, as services of a configuration. */
export interface McpServers {
  readonly file: string;
  /** A configuration of these services and nothing else. */
  readonly text: string;
  readonly warnings: readonly string[];
}

/** Reads {"mcpServers": {NAME: {"command", "args", "env"} | {"url"}}}. Throws a ConfigError. */
export function mcpServers(file: string): McpServers {
  const services = servicesOf(file);
  return { file, text: JSON.stringify({ services }, null, 2), warnings: openSecrets(file, services) };
}

function servicesOf(file: string): Readonly<Record<string, JsonObject>> {
  let value: unknown;
  try {
    value = JSON.parse(configText(file, 'name the file of MCP servers that is meant'));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw fault(file, 'the file is no JSON', 'it looks like {"mcpServers": {"files": {"command": "npx", "args": []}}}');
  }
  const servers = isObject(value) ? value['mcpServers'] : undefined;
  if (!isObject(servers) || Object.keys(servers).length === 0)
    throw fault(
      file,
      '"mcpServers" is missing or empty',
      'name at least one: {"mcpServers": {"files": {"command": "npx"}}}',
    );
  return Object.fromEntries(
    Object.entries(servers)
      .filter(([, server]) => !isObject(server) || server['disabled'] !== true)
      .map(([name, server]) => [name, serviceOf(file, name, server)]),
  );
}

function serviceOf(file: string, name: string, server: unknown): JsonObject {
  if (!isObject(server)) throw fault(file, `the server "${name}" is no object`, 'write {"command": …} or {"url": …}');
  const { url, headers, ...rest } = server;
  const service = Object.fromEntries(Object.entries(rest).filter(([key]) => !leftOut.has(key)));
  if (headers !== undefined && (!isObject(headers) || Object.keys(headers).length > 0))
    throw fault(
      file,
      `the server "${name}" has headers`,
      'write it as a service of the configuration, with its key in a file: upstreamKey: { file: … }',
    );
  if (url === undefined) return service;
  if (typeof url !== 'string' || !URL.canParse(url))
    throw fault(file, `the url of "${name}" is no address`, 'write http:// or https://');
  // The path stays the client's: it calls /NAME/mcp where the server has /mcp.
  const { protocol, host, username, password } = new URL(url);
  if (username !== '' || password !== '')
    throw fault(
      file,
      `the url of "${name}" has credentials in it`,
      'put the key into a file: upstreamKey: { file: … }',
    );
  return { ...service, upstream: `${protocol}//${host}` };
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
