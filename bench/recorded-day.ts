import type { DecisionRow, Store } from '../src/core/store.ts';

const day = 86_400;
const batchRows = 5000;

/** Records so many decisions as one day's, which ends then. `end`: epoch seconds. */
export async function recordDay({ decisions }: Pick<Store, 'decisions'>, count: number, end: number): Promise<void> {
  for (let start = 0; start < count; start += batchRows) {
    const size = Math.min(batchRows, count - start);
    const numbers = Array.from({ length: size }, (_, index) => start + index);
    await decisions.append(numbers.map((number) => rowAt(number, end - day + (number / count) * day)));
  }
}

/** A stack of twelve services and forty callers; some of what they do would be denied, and strangers come from everywhere. */
function rowAt(number: number, time: number): DecisionRow {
  const stranger = number % 50 === 0;
  const denied = stranger || number % 97 === 0;
  return {
    time,
    outcome: denied ? 'would_deny' : 'allow',
    reason: stranger ? 'missing_credentials' : denied ? 'timestamp_outside_window' : '',
    note: denied ? 'as the operator reads it' : '',
    mode: 'report',
    service: `service-${number % 12}`,
    route: ['/embed', '/query', '/models/:name', '*'][number % 4] ?? '*',
    method: 'POST',
    path: '/embed',
    principal: stranger ? '' : `service:caller-${number % 40}`,
    claimed: stranger ? `service:made-up-${number % 100_000}` : '',
    scheme: stranger ? '' : 'service-signature',
    credentialId: stranger ? '' : `key-${number % 40}`,
    clientAddress: stranger ? `192.0.2.${number % 251}` : `10.0.0.${number % 40}`,
    skewSeconds: stranger ? null : denied ? -400 : (number % 7) / 10,
    durationMicros: 2 + (number % 31),
    requestId: `request-${number}`,
  };
}
