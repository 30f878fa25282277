import { computed } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { linkTo } from '../address.ts';
import { ago, clockTime, count, exactTime, percent } from '../format.ts';
import type { InForce } from '../in-force.ts';
import type { Resource } from '../resource.ts';
import { now } from '../server-clock.ts';
import type { Mode, Outcome, Rated } from '../shapes.ts';

/** In words first, in colour besides: each has a sign of its own. */
const outcomes: Readonly<Record<Outcome, readonly [sign: string, words: string, tone: string]>> = {
  allow: ['✓', 'allowed', 'good'],
  deny: ['✕', 'denied', 'bad'],
  would_deny: ['!', 'would be denied', 'warn'],
  public: ['○', 'public', 'plain'],
};

export function OutcomeBadge({ outcome }: { outcome: Outcome }) {
  const [sign, words, tone] = outcomes[outcome];
  return <Badge tone={tone} sign={sign} words={words} />;
}

const modes: Readonly<Record<Mode, readonly [sign: string, tone: string]>> = {
  enforce: ['■', 'good'],
  report: ['◐', 'warn'],
  off: ['□', 'bad'],
};

export function ModeBadge({ of: { mode, byRamp } }: { of: InForce }) {
  const [sign, tone] = modes[mode];
  return (
    <>
      <Badge tone={tone} sign={sign} words={mode} />
      {byRamp !== null && (
        <>
          {' '}
          <a href={linkTo('ramp')}>{byRamp}</a>
        </>
      )}
    </>
  );
}

export function Badge({ tone, sign, words }: { tone: string; sign: string; words: string }) {
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{sign}</span> {words}
    </span>
  );
}

/** Said as how long ago, by the server’s clock; the exact time, local and UTC, on hover. */
export function Time({ at }: { at: string | null }) {
  // Drawn anew when its words are others, not each second.
  const words = useMemo(() => computed(() => ago(at, now.value)), [at]);
  if (at === null) return <span class="dim">never</span>;
  return (
    <time dateTime={at} title={exactTime(at)}>
      {words}
    </time>
  );
}

/** Leads to what was decided of that request. */
export function RequestId({ id }: { id: string }) {
  return (
    <a class="id" href={linkTo('audit', null, { request: id })}>
      <code>{id}</code>
    </a>
  );
}

export function Figure({ label, value, tone, note }: { label: string; value: string; tone?: string; note?: string }) {
  return (
    <div class={`figure ${tone ?? ''}`}>
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly number?: boolean;
}

interface TableProps<T> {
  readonly caption: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly keyOf: (row: T) => string | number;
  /** What to say, and to do, when there is nothing. */
  readonly empty: ComponentChildren;
  readonly hideCaption?: boolean;
}

/** A browser needs seconds for thousands of rows, each time that something changes in one of them. */
const rowsAtOnce = 500;

export function Table<T>({ caption, rows, columns, keyOf, empty, hideCaption }: TableProps<T>): JSX.Element {
  const [most, setMost] = useState(rowsAtOnce);
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const table = (
    <div class="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class={hideCaption ? 'hidden' : ''}>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, number }) => (
              <th key={head} scope="col" class={number ? 'number' : ''}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, most).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ head, cell, number }) => (
                <td key={head} class={number ? 'number' : ''}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
  if (rows.length <= most) return table;
  return (
    <>
      {table}
      <p class="more dim">
        The first {count(most)} of {count(rows.length)} are shown.{' '}
        <button type="button" onClick={() => setMost(most + rowsAtOnce)}>
          Show more
        </button>
      </p>
    </>
  );
}

/** The columns that every list of totals has. */
export const ratedColumns: readonly Column<Rated>[] = [
  { head: 'Requests', number: true, cell: (row) => count(row.requests) },
  { head: 'Denied', number: true, cell: (row) => <Count value={row.denied} tone="bad" /> },
  { head: 'Would be denied', number: true, cell: (row) => <Count value={row.would_deny} tone="warn" /> },
  { head: 'Success', number: true, cell: (row) => <Rate rate={row.success_rate} /> },
];

function Count({ value, tone }: { value: number; tone: string }) {
  return value === 0 ? <span class="dim">0</span> : <strong class={`text-${tone}`}>{count(value)}</strong>;
}

export function Rate({ rate }: { rate: number | null }) {
  if (rate === null) return <span class="dim">–</span>;
  return <span class={`text-${rate >= 0.999 ? 'good' : rate >= 0.95 ? 'warn' : 'bad'}`}>{percent(rate)}</span>;
}

/** What is loaded, or why it is not. */
export function Loaded<T>({ from, children }: { from: Resource<T>; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {from.error && (
        // Who hears the page is told once that nothing new comes, and not by each part of it.
        <p class="notice bad" role={from.at === null ? 'alert' : undefined}>
          <strong>
            {from.at === null ? 'This could not be loaded.' : `These figures are of ${clockTime(from.at)}.`}
          </strong>{' '}
          {from.error}{' '}
          <button type="button" onClick={() => from.reload()}>
            Try again
          </button>
        </p>
      )}
      {from.data === null ? from.error === null && <p class="waiting">Loading…</p> : children(from.data)}
    </>
  );
}

export function Panel({
  title,
  actions,
  children,
}: {
  title: string;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="panel" aria-label={title}>
      <div class="panel-head">
        <h2>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}
