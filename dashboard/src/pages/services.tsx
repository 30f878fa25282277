import { linkTo, since } from '../address.ts';
import { count } from '../format.ts';
import { Loaded, ModeBadge, Panel, Rate, Table } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import { levelInForce, serviceInForce } from '../in-force.ts';
import type { ModeLine, RampedRoute, Report, Service } from '../shapes.ts';
import { ModeButton } from './mode-button.tsx';

export function Services() {
  const services = useResource<{ services: readonly Service[] }>('services');
  const modes = useResource<{ modes: readonly ModeLine[]; ramped: readonly RampedRoute[] }>('modes');
  const report = useResource<Report>(`report?since=${since.value}`);
  const rated = (name: string) => report.data?.by_service[name];
  return (
    <>
      <Panel title="Services">
        <Loaded from={services}>
          {(data) => (
            <Table
              caption="Services, their modes and what was decided"
              hideCaption
              rows={data.services}
              keyOf={({ name }) => name}
              empty="The configuration names no service yet: add one below services: in countersign.yaml."
              columns={[
                { head: 'Service', cell: ({ name }) => <a href={linkTo('services', name)}>{name}</a> },
                { head: 'Mode', cell: (service) => <ModeBadge of={serviceInForce(service)} /> },
                { head: 'Accepts', cell: ({ accept }) => accept.join(', ') },
                { head: 'Routes', number: true, cell: ({ routes }) => count(routes.length) },
                { head: 'Requests', number: true, cell: ({ name }) => count(rated(name)?.requests ?? 0) },
                {
                  head: 'Success',
                  number: true,
                  cell: ({ name }) => <Rate rate={rated(name)?.success_rate ?? null} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Panel>
      <Panel
        title="Modes"
        actions={<ModeButton scope="" onDone={() => [services, modes].forEach((one) => one.reload())} />}
      >
        <Loaded from={modes}>
          {(data) => (
            <Table
              caption="Where modes were set"
              hideCaption
              rows={data.modes}
              keyOf={({ scope }) => scope}
              empty="No mode was set."
              columns={[
                { head: 'Scope', cell: ({ scope }) => (scope === '' ? 'the whole stack' : scope) },
                {
                  head: 'Mode',
                  cell: ({ scope, mode }) => <ModeBadge of={levelInForce(scope, mode, data.ramped)} />,
                },
                { head: 'Set in', cell: ({ source }) => source },
                { head: 'By', cell: ({ set_by }) => set_by ?? <span class="dim">–</span> },
              ]}
            />
          )}
        </Loaded>
      </Panel>
    </>
  );
}
