import { useMemo } from 'preact/hooks';
import { useResource, type Resource } from './resource.ts';
import type { Counts, Edge, Rated } from './shapes.ts';

export interface Call extends Rated {
  readonly caller: string;
  readonly service: string;
}

export function ratedOf({ allow, deny, would_deny, public: open }: Counts): Rated {
  const requests = allow + deny + would_deny + open;
  const success_rate = requests === 0 ? null : (allow + open) / requests;
  return { requests, allowed: allow, denied: deny, would_deny, public: open, success_rate };
}

/** Who called whom, the busiest first. */
export function useTraffic(since: string): Resource<readonly Call[]> {
  const traffic = useResource<{ edges: readonly Edge[] }>(`traffic?since=${since}`);
  const { data } = traffic;
  const calls = useMemo(
    () => data?.edges.map((edge) => ({ caller: edge.caller, service: edge.service, ...ratedOf(edge) })) ?? null,
    [data],
  );
  return { ...traffic, data: calls };
}
