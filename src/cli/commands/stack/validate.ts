import type { ServiceConfig, StackConfig } from '../../../compose/config.ts';
import { readEnvironment } from '../../../compose/env.ts';
import { ConfigError } from '../../../compose/faults.ts';
import { lookAtKeySources } from '../../../compose/wiring/key-sources.ts';
import { startFaults, startWarnings } from '../../../compose/checks/start-checks.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT } from '../../failure.ts';
import { readCheckedConfig } from '../../workplace.ts';

/** The faults go to standard output: they are what was asked for. */
export async function validate(invocation: Invocation): Promise<number> {
  const { out, configFile } = invocation;
  const { environment } = readEnvironment(invocation.env);
  let config: StackConfig;
  try {
    config = await readCheckedConfig(invocation);
    const faults = startFaults(config, environment, false);
    if (faults.length > 0) throw new ConfigError(configFile, faults);
  } catch (error) {
    if (codeOf(error) !== 'config_invalid') throw error;
    const { faults, format } = error as { faults?: unknown; format?: () => string };
    if (invocation.json) out.json({ valid: false, file: configFile, faults });
    else out.advice(format?.call(error) ?? String(error));
    return EXIT.refused;
  }
  const warnings = [...config.warnings, ...startWarnings(environment), ...(await lookAtKeySources(config)).warnings];
  const routes = config.services.reduce((sum, service) => sum + service.rules.length, 0);
  if (invocation.json) {
    out.json({
      valid: true,
      file: configFile,
      services: config.services.map(({ name }) => name),
      routes,
      mode: config.mode,
      warnings,
    });
    return EXIT.done;
  }
  for (const warning of warnings) out.warn(warning);
  for (const note of config.services.flatMap(prefixed)) out.talk(`note: ${note}`);
  out.line(
    `${out.paint('green', 'valid')}  ${configFile}: ${count(config.services.length, 'service')}, ${count(routes, 'route')}, mode ${config.mode}`,
  );
  return EXIT.done;
}

/** Rules that hold nowhere, most likely. A note and no fault: there are services that have their own name in their paths. */
function prefixed({ name, rules, hosts, listen, mount }: ServiceConfig): string[] {
  if (hosts.length > 0 || listen !== null || mount !== null) return [];
  return rules
    .filter(({ path }) => path.startsWith(`/${name}/`))
    .map(
      ({ path }) =>
        `the rule for ${path} of "${name}" holds for /${name}${path}, since paths are without the prefix of the service; for ${path} write ${path.slice(name.length + 1)}`,
    );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
