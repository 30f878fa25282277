import type { FileModes } from '../../rollout/modes.ts';
import type { Mode } from '../../core/mode.ts';
import type { StackConfig } from '../config.ts';

/** What the configuration in force says about modes. Indexed once per configuration, since it is asked on every request. */
export function fileModes(current: () => StackConfig): FileModes {
  let indexed: StackConfig | null = null;
  let byService = new Map<string, Mode | null>();
  function index(): StackConfig {
    const config = current();
    if (config !== indexed) {
      byService = new Map(config.services.map((service) => [service.name, service.mode]));
      indexed = config;
    }
    return config;
  }
  return {
    get stack() {
      return current().mode;
    },
    get stackIsDefault() {
      return current().modeIsDefault;
    },
    service(name) {
      index();
      return byService.get(name) ?? null;
    },
    scopes: () => scopesOf(current()),
  };
}

/** Services ('embeddings') and rules ('embeddings/embed'); rules that differ in their methods only share one name. */
function scopesOf(config: StackConfig): { scope: string; mode: Mode | null }[] {
  return config.services.flatMap((service) => {
    const rules = new Map<string, Mode | null>();
    for (const rule of service.rules) rules.set(rule.path, rules.get(rule.path) ?? rule.mode);
    return [
      { scope: service.name, mode: service.mode },
      ...[...rules].map(([path, mode]) => ({ scope: `${service.name}${path}`, mode })),
    ];
  });
}
