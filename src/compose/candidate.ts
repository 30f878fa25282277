import type { ModeSource } from '../core/mode-source.ts';
import { routeTable } from '../core/route-table.ts';
import type { Candidate } from '../rollout/replay.ts';
import { rulePolicies } from './catalogue.ts';
import type { StackConfig } from './config.ts';

/** A configuration as requests can be replayed against it: with the route tables and the policies that a guard would have. */
export function candidateOf(config: StackConfig, modes: ModeSource): Candidate {
  const services = new Map(
    config.services.map(({ name, rules, accept }) => [name, { table: routeTable(name, rules), accept }]),
  );
  return {
    service: (name) => services.get(name) ?? null,
    modeOf: (service, routeLabel, fileMode) => modes.modeOf(service, routeLabel, fileMode),
    policies: rulePolicies(),
  };
}
