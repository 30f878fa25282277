import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { StackConfig } from '../../compose/config.ts';
import { withMcpConfig } from '../../compose/mcp-config.ts';
import type { Invocation } from '../command.ts';
import { readCheckedConfig } from '../workplace.ts';

/** The file of MCP servers that desktop clients use, where one is named. */
export function mcpConfigFile({ text }: Invocation): string | null {
  const file = text('mcp-config');
  return file === null ? null : resolve(file);
}

/** What is to be served: the configuration, and what a file of MCP servers adds to it. */
export async function readServeConfig(invocation: Invocation): Promise<StackConfig> {
  const mcpFile = mcpConfigFile(invocation);
  if (mcpFile === null) return readCheckedConfig(invocation);
  const { configFile: file, env } = invocation;
  const config = existsSync(file) ? await readCheckedConfig(invocation) : null;
  return withMcpConfig(mcpFile, env, { file, config });
}
