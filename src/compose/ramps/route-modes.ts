import type { Mode } from '../../core/mode.ts';
import type { ModeSource } from '../../core/mode-source.ts';
import type { StackConfig } from '../config.ts';
import { rampGround } from './ramp-file.ts';

/** A route that asks for somebody: a rule by its path, or '*' for what has no rule. */
export interface RouteMode {
  readonly service: string;
  readonly label: string;
  /** In force, whatever a ramp does. Of several rules for one path it is that of the first. */
  readonly mode: Mode;
}

/** In the order of the configuration. */
export function routeModes(
  config: Pick<StackConfig, 'services'>,
  modes: Pick<ModeSource, 'modeOf'>,
): readonly RouteMode[] {
  const rules = new Map(config.services.map((service) => [service.name, service.rules]));
  return rampGround(config, 0).routes.map(({ service, label }) => {
    const rule = rules.get(service)?.find(({ path }) => path === label);
    return { service, label, mode: modes.modeOf(service, label, rule?.mode ?? null) };
  });
}
