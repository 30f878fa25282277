import { linkTo, since } from '../address.ts';
import { callerName, count, percent, serviceName } from '../format.ts';
import { Loaded, Panel, ratedColumns, Table } from '../parts/parts.tsx';
import { useTraffic, type Call } from '../traffic.ts';
import { graphLayout, type Node } from './graph-layout.ts';

const width = 900;
const left = 250;
const right = 650;

export function Graph() {
  const calls = useTraffic(since.value);
  return (
    <Loaded from={calls}>
      {(data) => (
        <>
          <Panel title="Who calls what">
            {data.length === 0 ? (
              <p class="empty">Nothing was called in this period. Choose a longer one above.</p>
            ) : (
              <Picture calls={data} />
            )}
          </Panel>
          <Panel title="As a table">
            <Table
              caption="Calls by caller and service"
              hideCaption
              rows={data}
              keyOf={({ caller, service }) => `${service} ${caller}`}
              empty="Nothing was called in this period."
              columns={[
                { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
                {
                  head: 'Service',
                  cell: ({ service }) => <a href={linkTo('services', service)}>{serviceName(service)}</a>,
                },
                ...ratedColumns,
              ]}
            />
          </Panel>
        </>
      )}
    </Loaded>
  );
}

function Picture({ calls }: { calls: readonly Call[] }) {
  const { callers, services, edges, height, hidden } = graphLayout(calls);
  return (
    <div class="scroll graph" role="region" aria-label="Call graph; the table below says the same" tabIndex={0}>
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
        {edges.map(({ call, fromY, toY, width: line }) => (
          <path
            key={`${call.service} ${call.caller}`}
            class={`edge ${tone(call)}`}
            stroke-width={line}
            d={`M${left} ${fromY} C${(left + right) / 2} ${fromY} ${(left + right) / 2} ${toY} ${right} ${toY}`}
          >
            <title>
              {`${callerName(call.caller)} → ${serviceName(call.service)}: ${count(call.requests)}, ${percent(call.success_rate)} success`}
            </title>
          </path>
        ))}
        {callers.map((node) => (
          <Ball key={node.name} node={node} x={left} label={callerName(node.name)} before />
        ))}
        {services.map((node) => (
          <Ball key={node.name} node={node} x={right} label={serviceName(node.name)} />
        ))}
      </svg>
      <p class="dim">
        Full lines: all passed. Dashed: some would be refused. Dotted: some were refused. The thicker, the more
        requests.{hidden > 0 && ` ${hidden} quieter callers are in the table only.`}
      </p>
    </div>
  );
}

function Ball({ node, x, label, before }: { node: Node; x: number; label: string; before?: boolean }) {
  const cut = label.length > 26 ? `${label.slice(0, 25)}…` : label;
  return (
    <g>
      <circle class="ball" cx={x} cy={node.y} r={5} />
      <text x={before ? x - 12 : x + 12} y={node.y} text-anchor={before ? 'end' : 'start'} dominant-baseline="central">
        {cut} <tspan class="dim-fill">{count(node.requests)}</tspan>
      </text>
    </g>
  );
}

const tone = (call: Call): string => (call.denied > 0 ? 'bad' : call.would_deny > 0 ? 'warn' : 'good');
