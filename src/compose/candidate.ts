import type { ModeSource } from '../core/mode-source.ts';
import type { Candidate } from '../rollout/replay.ts';
import { rulePolicies } from './catalogue.ts';
import type { StackConfig } from './config.ts';
import { routesOf } from './wiring/guarded-services.ts';

/** A configuration as requests can be replayed against it: with the route tables and the policies that a guard would have. */
export function candidateOf(config: StackConfig, modes: ModeSource): Candidate {
  const services = new Map(
    config.services.map((service) => [service.name, { table: routesOf(service), accept: service.accept }]),
  );
  return {
    service: (name) => services.get(name) ?? null,
    modeOf: (service, routeLabel, fileMode) => modes.modeOf(service, routeLabel, fileMode),
    policies: rulePolicies(),
  };
}
