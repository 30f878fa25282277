import { mayAct } from '../api.ts';
import { Badge, Loaded, Panel, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import { now } from '../server-clock.ts';
import type { CheckResult } from '../shapes.ts';

const checks = {
  doctor: { title: 'Doctor', words: 'what lies open around the stack' },
  probe: { title: 'Probe', words: 'whether the running stack lets strangers in' },
} as const;

type Name = keyof typeof checks;
const names = Object.keys(checks) as Name[];

export function Checks() {
  return mayAct() ? (
    <Results />
  ) : (
    <p class="notice">What the checks found is for operators: it says how one gets in.</p>
  );
}

function Results() {
  const found = useResource<{ checks: Readonly<Record<Name, CheckResult | null>> }>('checks', 30_000);
  return (
    <Loaded from={found}>
      {(data) => (
        <>
          {names.map((name) => (
            <Check key={name} name={name} result={data.checks[name]} />
          ))}
        </>
      )}
    </Loaded>
  );
}

const staleMillis = 7 * 86_400_000;

function Check({ name, result }: { name: Name; result: CheckResult | null }) {
  const { title, words } = checks[name];
  if (result === null)
    return (
      <Panel title={title}>
        <p class="empty">No result is kept yet. To see {words}, run where the configuration is:</p>
        <pre tabIndex={0}>countersign {name} --record</pre>
      </Panel>
    );
  const isOld = now.value - Date.parse(result.at) > staleMillis;
  return (
    <Panel title={title}>
      <p>
        <strong>{result.summary}</strong>
      </p>
      <p class={isOld ? 'notice warn' : 'dim'}>
        Run <Time at={result.at} /> by {result.by} on {result.from}.
        {isOld && ' Much may have changed since: run it again.'}
      </p>
      <Table
        caption={`What ${name} found`}
        hideCaption
        rows={result.findings.map((finding, number) => ({ ...finding, number }))}
        keyOf={({ number }) => number}
        empty="Nothing is wrong."
        columns={[
          { head: 'Severity', cell: ({ severity }) => <Severity of={severity} /> },
          { head: 'Place', cell: ({ place }) => <code>{place}</code> },
          {
            head: 'What',
            cell: ({ what, why }) => (
              <>
                {what}
                {why && <p class="dim">{why}</p>}
              </>
            ),
          },
          {
            head: 'Repair',
            cell: ({ repair }) =>
              repair.length === 0 ? <span class="dim">–</span> : <pre tabIndex={0}>{repair.join('\n')}</pre>,
          },
        ]}
      />
      {result.omitted > 0 && <p class="dim">There are {result.omitted} more; the command shows all.</p>}
    </Panel>
  );
}

const severities = { high: ['bad', '✕'], medium: ['warn', '!'], low: ['plain', '–'] } as const;

function Severity({ of }: { of: keyof typeof severities }) {
  const [tone, sign] = severities[of];
  return <Badge tone={tone} sign={sign} words={of} />;
}
