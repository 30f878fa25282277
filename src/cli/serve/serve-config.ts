import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { StackConfig } from '../../compose/config.ts';
import { loadConfig } from '../../compose/load/load.ts';
import type { Invocation } from '../command.ts';
import { readCheckedConfig, readConfig } from '../workplace.ts';
import { shellWord } from '../../core/text/shell-word.ts';

/** What is to be served: the configuration, and what a file of MCP servers adds to it, or that file alone. */
export async function readServeConfig(invocation: Invocation): Promise<StackConfig> {
  const { configFile, env } = invocation;
  const named = invocation.text('mcp-config');
  if (named === null) return readCheckedConfig(invocation);
  const mcpConfig = resolve(named);
  if (!existsSync(configFile)) {
    const alone = loadConfig(configFile, env, { text: '{}', mcpConfig });
    return warned(
      alone,
      `there is no ${configFile}, so no other command knows these servers, and no key can be made for a caller; write it: countersign init --mcp-config ${shellWord(named)}`,
    );
  }
  const { mcpFiles } = await readConfig(invocation);
  const config = await readCheckedConfig(invocation, { mcpConfig });
  return mcpFiles.includes(mcpConfig)
    ? config
    : warned(
        config,
        `no other command knows the servers of ${mcpConfig}; write into ${basename(configFile)}: mcpConfig: ${JSON.stringify(mcpConfig)}`,
      );
}

function warned(config: StackConfig, warning: string): StackConfig {
  return { ...config, warnings: [...config.warnings, warning] };
}
