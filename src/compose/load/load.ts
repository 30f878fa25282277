import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { sha256Hex } from '../../crypto/digest.ts';
import { builtConfig } from '../build/build.ts';
import { findings } from '../checks/checks.ts';
import type { StackConfig } from '../config.ts';
import { configText } from '../schema/config-text.ts';
import { sourceDocument } from '../schema/document.ts';
import { readEnvironment, type Env } from '../env.ts';
import { ConfigError, formatFault, wholeFault } from '../faults.ts';
import { fileChecks } from '../checks/file-checks.ts';
import { mcpServers, type McpServers } from '../build/mcp-config.ts';
import { missingPrograms } from '../checks/missing-programs.ts';
import { placeIn } from '../checks/place.ts';
import { schemaFaults } from '../schema/schema-faults.ts';
import { configSchema } from '../schema/schema.ts';
import { shellWord } from '../../core/text/shell-word.ts';

export { ConfigError } from '../faults.ts';
export type { Fault } from '../faults.ts';

export interface ParseOptions {
  /** The file's path, for messages and relative paths; null for a text from elsewhere (paths then begin at the working folder). */
  readonly file: string | null;
  readonly env: Env;
  /** Callers known by a key, besides services and `callers`; 'unchecked' takes every caller for known. Nobody unless given. */
  readonly keyHolders?: ReadonlySet<string> | 'unchecked';
  /** 'unneeded' for who serves nothing: files of keys and certificates may be where only the server sees them. */
  readonly namedFiles?: 'needed' | 'unneeded';
  /** A file of MCP servers, whose servers are services too, besides that of the key mcpConfig. */
  readonly mcpConfig?: string | null;
}

/** Reads a configuration. Throws a ConfigError with every fault at once; never anything else. */
export function parseConfig(text: string, options: ParseOptions): StackConfig {
  const { file, env, keyHolders = new Set(), namedFiles = 'needed', mcpConfig = null } = options;
  const absolute = file === null ? null : resolve(file);
  const folder = absolute === null ? process.cwd() : dirname(absolute);
  const { environment, faults: fromEnvironment, storeFaults } = readEnvironment(env);
  const source = sourceDocument(text);
  if (source.faults.length > 0) throw new ConfigError(file, [...fromEnvironment, ...source.faults]);

  const root = placeIn(source);
  const environmentFaults = [...fromEnvironment];
  if (root.get('store').value === undefined) environmentFaults.push(...storeFaults);
  const wrongForm = schemaFaults(source);
  const named = root.get('mcpConfig').text;
  const mcpFiles = [named === null ? null : resolve(folder, named), mcpConfig].filter((one) => one !== null);
  const written = [...environmentFaults, ...wrongForm];
  const mcp = written.length > 0 ? [] : [...new Set(mcpFiles)].map((one) => serversOf(one, env, namedFiles));
  const found = findings(root, {
    files: fileChecks(folder, namedFiles === 'needed'),
    keyHolders: keyHolders === 'unchecked' ? keyHolders : new Set([...keyHolders, ...mcp.flatMap(namesOf)]),
    servesMore: mcpFiles.length > 0,
  });
  const faults = [...written, ...found.faults];
  if (faults.length > 0) throw new ConfigError(file, faults);
  const config = builtConfig(configSchema.parse(source.value), {
    file: absolute,
    digest: sha256Hex([text, ...mcp.map(({ servers }) => servers.text)].join('\n')),
    folder,
    environment,
    // What a program says of itself is text of our own making, in which nobody finds a line.
    warnings: found.warnings.map((warning) =>
      file === null ? formatFault('protect', { ...warning, line: 0 }) : formatFault(file, warning),
    ),
  });
  return mcp.reduce((whole, one) => withServers(whole, one), config);
}

interface ReadServers {
  readonly servers: McpServers;
  readonly config: StackConfig;
}

/** The servers of the file, read as services by the same rules. */
function serversOf(mcpFile: string, env: Env, namedFiles: 'needed' | 'unneeded'): ReadServers {
  const servers = mcpServers(mcpFile);
  try {
    return { servers, config: parseConfig(servers.text, { file: mcpFile, env, keyHolders: 'unchecked', namedFiles }) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Lines of what was made of the file are none of the file.
    const faults = error.faults.map((fault) => ({ ...fault, line: 0, column: 0 }));
    throw new ConfigError(mcpFile, faults);
  }
}

function namesOf({ config }: ReadServers): string[] {
  return config.services.map(({ name }) => name);
}

function withServers(config: StackConfig, { servers, config: added }: ReadServers): StackConfig {
  const known = new Set(config.services.map(({ name }) => name));
  const twice = added.services.filter(({ name }) => known.has(name)).map(({ name }) => `"${name}"`);
  if (twice.length > 0) {
    const message = `${twice.join(', ')}: in ${config.file ?? 'the configuration'} too`;
    throw new ConfigError(servers.file, [wholeFault(message, 'keep one of the two')]);
  }
  return {
    ...config,
    mcpFiles: [...config.mcpFiles, servers.file],
    services: [...config.services, ...added.services],
    warnings: [...config.warnings, ...servers.warnings, ...ownWarnings(servers.file, added)],
  };
}

/** Without the lines of what was made of the file, which are none of the file. */
function ownWarnings(file: string, { warnings }: StackConfig): string[] {
  const place = /^:[0-9]+:[0-9]+(?=: )/;
  return warnings
    .filter((warning) => warning.startsWith(file))
    .map((warning) => file + warning.slice(file.length).replace(place, ''));
}

export interface LoadOptions extends Pick<ParseOptions, 'keyHolders' | 'namedFiles' | 'mcpConfig'> {
  /** In place of what the file holds now. */
  readonly text?: string;
}

/** parseConfig for a file, which must be readable, at most 1 MiB and UTF-8. */
export function loadConfig(file: string, env: Env, { text, ...options }: LoadOptions = {}): StackConfig {
  const config = parseConfig(text ?? configText(file), { file, env, ...options });
  const warnings = [...config.warnings, ...missingPrograms(config.services, env)];
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o002) === 0) return { ...config, warnings };
  const warning = `${file}: everyone on this machine can change it (mode 0${(mode & 0o777).toString(8)}), and so open every service; run: chmod o-w ${shellWord(file)}`;
  return { ...config, warnings: [...warnings, warning] };
}
