import type { DecisionRow } from '../core/store.ts';

/** One decision as a JSON line, without a line end. Written by hand: it needs no second object. */
export function logLine(row: DecisionRow, traceId: string | null = null): string {
  const skew = row.skewSeconds === null ? 'null' : rounded(row.skewSeconds, 1000);
  const note = row.note === '' ? '' : `,"note":${quoted(row.note)}`;
  const traced = traceId === null ? '' : `,"trace_id":"${traceId}"`;
  const claimed = row.claimed === '' ? '' : `,"claimed":${quoted(row.claimed)}`;
  return (
    `{"time":"${timeText(row.time)}","level":"${levelOf(row)}","event":"auth.decision","outcome":"${row.outcome}"` +
    `,"reason":"${row.reason}","mode":"${row.mode}","service":${quoted(row.service)},"route":${quoted(row.route)}` +
    `,"method":${quoted(row.method)},"path":${quoted(row.path)},"principal":${quoted(row.principal)}` +
    `,"scheme":${quoted(row.scheme)},"credential_id":${quoted(row.credentialId)}` +
    `,"client_address":${quoted(row.clientAddress)},"skew_s":${skew},"duration_us":${rounded(row.durationMicros, 10)}` +
    `,"request_id":${quoted(row.requestId)}${note}${claimed}${traced}}`
  );
}

/** error: nobody could decide, a good request did not arrive, or the glass was broken. warn: refused, or it would have been. */
export function levelOf(row: DecisionRow): 'info' | 'warn' | 'error' {
  if (row.principal === 'operator:break-glass') return 'error';
  if (row.reason === 'unavailable' || row.reason.startsWith('upstream_')) return 'error';
  return row.outcome === 'deny' || row.outcome === 'would_deny' ? 'warn' : 'info';
}

const ordinary = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
// JSON leaves these as they are, but a terminal may obey them (C1 controls) or show the line in another order (bidi).
const unsafeForTerminals = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function quoted(text: string): string {
  if (ordinary.test(text)) return `"${text}"`;
  return terminalSafe(JSON.stringify(text));
}

/** JSON that means the same, and that a terminal shows as it is. */
export function terminalSafe(json: string): string {
  return json.replace(unsafeForTerminals, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function rounded(value: number, parts: number): string {
  return String(Math.round(value * parts) / parts);
}

let second = Number.NaN;
let secondText = '';

/** RFC 3339 with milliseconds. Everything up to the second is kept from line to line. */
function timeText(epochSeconds: number): string {
  const millis = Math.floor(epochSeconds * 1000);
  const whole = Math.floor(millis / 1000);
  if (whole !== second) {
    second = whole;
    secondText = new Date(whole * 1000).toISOString().slice(0, 20);
  }
  const rest = millis - whole * 1000;
  return `${secondText}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
}
