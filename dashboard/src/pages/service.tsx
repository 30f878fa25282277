import { linkTo, since } from '../address.ts';
import { callerName } from '../format.ts';
import { Loaded, ModeBadge, Panel, ratedColumns, Table } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import { inForce, serviceInForce } from '../in-force.ts';
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
            <ModeBadge of={serviceInForce(service)} />
          </dd>
          <dt>Upstream</dt>
          <dd>
            <code>{service.upstream}</code>
          </dd>
          <dt>Accepts</dt>
          <dd>{service.accept.join(', ')}</dd>
          <dt>Reached at</dt>
          <dd>
            <code>{placesOf(service).join(', ')}</code>
          </dd>
        </dl>
      </Panel>
      <Panel title="Routes">
        <Table
          caption={`Routes of ${service.name}`}
          hideCaption
          rows={[...service.routes, ...restOf(service)]}
          keyOf={({ path, methods }) => `${path} ${methods?.join() ?? ''}`}
          empty=""
          columns={[
            { head: 'Path', cell: ({ path }) => (path === '*' ? 'whatever has no rule' : <code>{path}</code>) },
            { head: 'Methods', cell: ({ methods }) => methods?.join(' ') ?? 'all' },
            { head: 'Access', cell: ({ access }) => access },
            { head: 'Callers', cell: ({ callers }) => callers?.join(', ') ?? 'any' },
            { head: 'Scopes', cell: ({ scopes }) => scopes.join(', ') || '–' },
            {
              head: 'Mode',
              cell: ({ access, mode, ramp }) =>
                access === 'public' ? <span class="dim">–</span> : <ModeBadge of={inForce(mode, ramp)} />,
            },
          ]}
        />
      </Panel>
    </>
  );
}

/** What has no rule asks for a credential, whosever it is. */
function restOf({ mode, ramp, routes }: Service): Service['routes'] {
  if (routes.some(({ path, methods }) => path === '/*' && methods === null)) return [];
  return [{ path: '*', methods: null, access: 'any', callers: null, scopes: [], mode, ramp }];
}

/** Where its callers find it: by a port or a host of its own, or in the place of the gateway that its name is. */
function placesOf({ name, listen, hosts, mount }: Service): readonly string[] {
  const own = [...(listen ? [`${listen.host}:${listen.port}`] : []), ...hosts];
  return own.length > 0 ? own : [mount ?? `/${name}`];
}
