import { linkTo, since } from '../address.ts';
import { callerName, serviceName } from '../format.ts';
import { Loaded, Panel, ratedColumns, Table } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { KeyLine, Report } from '../shapes.ts';
import { useTraffic } from '../traffic.ts';
import { KeyTable } from './key-table.tsx';
import { RefusalsOf } from './refusals.tsx';

export function Caller({ name }: { name: string }) {
  const calls = useTraffic(since.value);
  const keys = useResource<{ keys: readonly KeyLine[] }>('keys');
  const report = useResource<Report>(`report?since=${since.value}`);
  const own = name.replace(/^service:/, '').replace(/\?$/, '');
  const skew = report.data?.clock_skew.find(({ caller }) => caller === name);
  return (
    <>
      {skew && (
        <p class={`notice ${Math.abs(skew.max_s) > 30 ? 'warn' : ''}`}>
          Its clock is off by {skew.p50_s} s as a rule, by {skew.max_s} s at the most.
        </p>
      )}
      <Panel title="Calls" actions={<a href={linkTo('audit', null, { caller: callerName(name) })}>Its decisions</a>}>
        <Loaded from={calls}>
          {(data) => (
            <Table
              caption={`What ${callerName(name)} called`}
              hideCaption
              rows={data.filter(({ caller }) => caller === name)}
              keyOf={({ service }) => service}
              empty="It called nothing in this period."
              columns={[
                {
                  head: 'Service',
                  cell: ({ service }) => <a href={linkTo('services', service)}>{serviceName(service)}</a>,
                },
                ...ratedColumns,
              ]}
            />
          )}
        </Loaded>
      </Panel>
      <RefusalsOf matches={({ caller }) => caller === name} />
      {own !== '' && (
        <Panel title="Keys">
          <Loaded from={keys}>
            {(data) => (
              <KeyTable
                all={data.keys}
                shown={data.keys.filter(({ service }) => service === own)}
                onChange={() => keys.reload()}
              />
            )}
          </Loaded>
        </Panel>
      )}
    </>
  );
}
