import { useState } from 'preact/hooks';
import { mayAct } from '../api.ts';
import { Badge, Table, Time } from '../parts/parts.tsx';
import { now } from '../server-clock.ts';
import type { KeyLine } from '../shapes.ts';
import { KeyOrder, type Order } from './key-order.tsx';

interface KeyTableProps {
  /** What is shown of `all`, by which it is told what a key replaces. */
  readonly shown: readonly KeyLine[];
  readonly all: readonly KeyLine[];
  readonly onChange: () => void;
}

export function KeyTable({ shown, all, onChange }: KeyTableProps) {
  const [ordered, setOrdered] = useState<{ line: KeyLine; order: Order } | null>(null);
  return (
    <>
      <Table
        caption="Keys"
        hideCaption
        rows={shown}
        keyOf={({ id }) => id}
        empty="No key. Create one on the page Keys, or by countersign keys create NAME; keys in files are not listed here."
        columns={[
          { head: 'Caller', cell: ({ service }) => service },
          {
            head: 'Key',
            cell: ({ id, kind, last_four }) => <code title={`ends in ${last_four}`}>{`${kind} ${id}`}</code>,
          },
          { head: 'State', cell: (key) => <State line={key} /> },
          { head: 'Created', cell: ({ created_at }) => <Time at={created_at} /> },
          { head: 'Ends', cell: ({ expires_at }) => <Time at={expires_at} /> },
          { head: 'Last used', cell: ({ last_used }) => <Time at={last_used?.at ?? null} /> },
          {
            head: 'Actions',
            cell: (key) =>
              mayAct() && (
                <div class="orders">
                  {ordersOf(key).map((order) => (
                    <button
                      key={order}
                      type="button"
                      class={order === 'Revoke' ? 'quiet danger' : 'quiet'}
                      onClick={() => setOrdered({ line: key, order })}
                      aria-label={`${order} key ${key.id} of ${key.service}`}
                    >
                      {order}
                    </button>
                  ))}
                </div>
              ),
          },
        ]}
      />
      {ordered && (
        <KeyOrder
          {...ordered}
          isOpen={isOpen(ordered.line, all)}
          onChange={onChange}
          onClose={() => setOrdered(null)}
        />
      )}
    </>
  );
}

function ordersOf({ stage, revoked_at }: KeyLine): readonly Order[] {
  if (stage === 'current') return ['Rotate', 'Revoke'];
  if (stage === 'pending') return ['Finish', 'Revoke'];
  if (stage === 'previous') return ['Retire', 'Revoke'];
  return revoked_at === null ? ['Revoke'] : [];
}

/** Whether a rotation of this key is not over. */
function isOpen({ id, replaces }: KeyLine, all: readonly KeyLine[]): boolean {
  return all.some((other) => (other.stage === 'pending' && other.replaces === id) || isPrevious(other, replaces));
}

const isPrevious = ({ id, stage }: KeyLine, replaces: string | null): boolean => id === replaces && stage !== null;

const soonMillis = 14 * 86_400_000;

function State({ line: { status, stage, expires_at } }: { line: KeyLine }) {
  if (status === 'revoked') return <Badge tone="plain" sign="–" words="revoked" />;
  if (status === 'expired') return <Badge tone="bad" sign="✕" words="ended" />;
  if (stage === 'pending') return <Badge tone="warn" sign="◐" words="pending" />;
  if (stage === 'previous') return <Badge tone="plain" sign="○" words="previous" />;
  if (expires_at !== null && Date.parse(expires_at) - now.value < soonMillis)
    return <Badge tone="warn" sign="!" words="ends soon" />;
  return <Badge tone="good" sign="✓" words={stage ?? 'active'} />;
}
