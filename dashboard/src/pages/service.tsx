import { linkTo, since } from '../address.ts';
import { callerName } from '../format.ts';
import { Loaded, ModeBadge, Panel, ratedColumns, Table } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Service } from '../shapes.ts';
import { useTraffic } from '../traffic.ts';
import { ModeButton } from './mode-button.tsx';
import { RefusalsOf } from './refusals.tsx';

export function ServicePage({ name }: { name: string }) {
  const services = useResource<{ services: readonly Service[] }>('services');
  const calls = useTraffic(since.value);
  return (
    <>
      <Loaded from={services}>
        {(data) => {
          const service = data.services.find((one) => one.name === name);
          if (!service)
            return (
              <p class="empty">
                The configuration names no such service. <a href={linkTo('services')}>All services</a>
              </p>
            );
          return <Described service={service} onChange={() => services.reload()} />;
        }}
      </Loaded>
      <Panel title="Callers">
        <Loaded from={calls}>
          {(data) => (
            <Table
              caption={`Callers of ${name}`}
              hideCaption
              rows={data.filter(({ service }) => service === name)}
              keyOf={({ caller }) => caller}
              empty="Nobody called it in this period."
              columns={[
                { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
                ...ratedColumns,
              ]}
            />
          )}
        </Loaded>
      </Panel>
      <RefusalsOf matches={({ service }) => service === name} />
    </>
  );
}

function Described({ service, onChange }: { service: Service; onChange: () => void }) {
  return (
    <>
      <Panel title="Service" actions={<ModeButton scope={service.name} onDone={onChange} />}>
        <dl class="facts">
          <dt>Mode</dt>
          <dd>
            <ModeBadge mode={service.mode} />
          </dd>
          <dt>Upstream</dt>
          <dd>
            <code>{service.upstream}</code>
          </dd>
          <dt>Accepts</dt>
          <dd>{service.accept.join(', ')}</dd>
          <dt>Hosts</dt>
          <dd>{service.hosts.join(', ') || <span class="dim">by its path</span>}</dd>
        </dl>
      </Panel>
      <Panel title="Routes">
        <Table
          caption={`Routes of ${service.name}`}
          hideCaption
          rows={service.routes}
          keyOf={({ path, methods }) => `${path} ${methods?.join() ?? ''}`}
          empty="It has no rules of its own: every path asks for a credential."
          columns={[
            { head: 'Path', cell: ({ path }) => <code>{path}</code> },
            { head: 'Methods', cell: ({ methods }) => methods?.join(' ') ?? 'all' },
            { head: 'Access', cell: ({ access }) => access },
            { head: 'Callers', cell: ({ callers }) => callers?.join(', ') ?? 'any' },
            { head: 'Scopes', cell: ({ scopes }) => scopes.join(', ') || '–' },
            { head: 'Mode', cell: ({ mode }) => <ModeBadge mode={mode} /> },
          ]}
        />
      </Panel>
    </>
  );
}
