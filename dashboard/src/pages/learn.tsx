import { useEffect, useState } from 'preact/hooks';
import { linkTo, since } from '../address.ts';
import { count } from '../format.ts';
import { Loaded, Panel, RequestId, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Learned, Seen } from '../shapes.ts';

const hourMillis = 3_600_000;

/** What recorded traffic would change in the routes. Read only: the file belongs to whoever keeps the configuration. */
export function LearnPage() {
  const learned = useResource<Learned>(`learn?since=${since.value}`, hourMillis);
  return (
    <Loaded from={learned}>
      {(data) => (
        <>
          <Panel title="Routes as they were used" actions={data.diff !== '' && <Download text={data.diff} />}>
            <p>
              Learned from {count(data.requests)} {data.requests === 1 ? 'request' : 'requests'} of proven callers,
              looking back to <Time at={data.since} />. It only ever narrows who may call.
            </p>
            {data.diff !== '' && <Diff text={data.diff} />}
            {data.proposals.length === 0 && <p class="empty">{silence(data)}</p>}
            {data.by_hand.length > 0 && (
              <p class="notice warn">
                Not written line by line, and so left to you: {data.by_hand.join(', ')}. The tables below have what is
                proposed.
              </p>
            )}
          </Panel>
          <Panel title="Evidence">
            <Table
              caption="Why each line is proposed"
              hideCaption
              rows={data.proposals}
              keyOf={({ service, kind, path, methods }) => `${service} ${kind} ${path} ${methods?.join()}`}
              empty="Nothing is proposed."
              columns={[
                { head: 'Service', cell: ({ service }) => service },
                {
                  head: 'Route',
                  cell: ({ path, methods }) => <code>{`${methods?.join(', ') ?? 'any'} ${path}`}</code>,
                },
                { head: 'What', cell: ({ kind }) => (kind === 'add' ? 'a new rule' : 'fewer callers') },
                { head: 'Callers', cell: ({ callers, access }) => callers?.join(', ') ?? access ?? 'any' },
                ...seenColumns,
              ]}
            />
          </Panel>
          <Panel title="Looks public">
            <p class="dim">Asked without a credential. Open it only if everybody may have it; nothing is proposed.</p>
            <Table
              caption="What looks public"
              hideCaption
              rows={data.public_looking}
              keyOf={({ service, method, path }) => `${service} ${method} ${path}`}
              empty="Nothing."
              columns={[
                { head: 'Service', cell: ({ service }) => service },
                { head: 'Route', cell: ({ method, path }) => <code>{`${method} ${path}`}</code> },
                { head: 'From', cell: ({ addresses }) => addresses.join(', ') },
                ...seenColumns,
              ]}
            />
          </Panel>
          <Panel title="Who needs what">
            <Table
              caption="Callers and what they called"
              hideCaption
              rows={data.matrix}
              keyOf={({ caller, service, method, path }) => `${caller} ${service} ${method} ${path}`}
              empty="Nobody called."
              columns={[
                { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{caller}</a> },
                { head: 'Service', cell: ({ service }) => service },
                { head: 'Route', cell: ({ method, path }) => <code>{`${method} ${path}`}</code> },
                { head: 'Requests', number: true, cell: ({ requests }) => count(requests) },
              ]}
            />
          </Panel>
        </>
      )}
    </Loaded>
  );
}

/** Why nothing is proposed. */
function silence({ requests, untaught }: Learned): string {
  if (requests === 0) return 'No proven caller was allowed in this time, so there is nothing to learn from.';
  if (untaught === 0) return 'These requests say nothing that the configuration does not say already.';
  const [routes, teach] = untaught === 1 ? ['1 route was', 'teaches'] : [`${count(untaught)} routes were`, 'teach'];
  return `${routes} asked for fewer than 10 times, or in fewer than 3 different minutes, and ${teach} nothing yet.`;
}

const seenColumns = [
  { head: 'Requests', number: true, cell: ({ requests }: Seen) => count(requests) },
  { head: 'In minutes', number: true, cell: ({ minutes }: Seen) => count(minutes) },
  { head: 'Last', cell: ({ last_seen }: Seen) => <Time at={last_seen} /> },
  { head: 'Example', cell: ({ example_request_id: id }: Seen) => <RequestId id={id} /> },
] as const;

function Diff({ text }: { text: string }) {
  const lines = text.trimEnd().split('\n');
  return (
    <pre class="diff" tabIndex={0} aria-label="Changes of the configuration">
      {lines.map((line, number) => (
        <span key={number} class={toneOf(line)}>
          {`${line}\n`}
        </span>
      ))}
    </pre>
  );
}

function toneOf(line: string): string {
  if (line.startsWith('@@') || line.startsWith('---') || line.startsWith('+++')) return 'dim';
  return line.startsWith('+') ? 'text-good' : line.startsWith('-') ? 'text-bad' : '';
}

function Download({ text }: { text: string }) {
  const [url, setUrl] = useState('');
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([text], { type: 'text/x-diff' }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [text]);
  return (
    <a class="button" href={url} download="routes.diff">
      Download the diff
    </a>
  );
}
