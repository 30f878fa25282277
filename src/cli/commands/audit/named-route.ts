import type { StackConfig } from '../../../compose/config.ts';
import type { DecisionFilter } from '../../../core/store.ts';

/** Decisions of one route: `/infer` as its rule is written, or with its service before it as reports, modes and ramps name it. */
export function namedRoute(
  { services }: Pick<StackConfig, 'services'>,
  text: string,
): Pick<DecisionFilter, 'service' | 'route'> {
  if (services.some(({ rules }) => rules.some(({ path }) => path === text))) return { route: text };
  const name = text.replace(/^\//, '');
  const service = services.find((one) => name.startsWith(`${one.name}/`));
  if (!service) return { route: text };
  const rule = name.slice(service.name.length);
  const isUnruled = rule === '/*' && service.rules.every(({ path }) => path !== rule);
  return { service: service.name, route: isUnruled ? '*' : rule };
}
