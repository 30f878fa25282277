import { inCalendar } from '../core/clock.ts';
import { isAlike } from '../core/decision-values.ts';
import type { DecisionRow } from '../core/store.ts';

/** One decision as a JSON line, without a line end. Written by hand: it needs no second object. */
export function logLine(row: DecisionRow, traceId: string | null = null): string {
  const { beforePath, behindPath } = sharedBy(row);
  const skew = row.skewSeconds === null ? 'null' : rounded(row.skewSeconds, 1000);
  const note = row.note === '' ? '' : `,"note":${quoted(row.note)}`;
  const traced = traceId === null ? '' : `,"trace_id":"${traceId}"`;
  const claimed = row.claimed === '' ? '' : `,"claimed":${quoted(row.claimed)}`;
  return (
    `{"time":"${timeText(row.time)}${beforePath}${quoted(row.path)}${behindPath}` +
    `${quoted(row.clientAddress)},"skew_s":${skew},"duration_us":${rounded(row.durationMicros, 10)}` +
    `,"request_id":${quoted(row.requestId)}${note}${claimed}${traced}}`
  );
}

/** A question to the authority itself that was refused, as a JSON line: no decision about a service, so no row is kept of it. */
export function authorityLine(row: DecisionRow): string {
  const { time, reason, method, path, principal, scheme, credentialId, clientAddress, requestId, note, claimed } = row;
  const line = {
    time: timeText(time),
    level: levelOf(row),
    event: 'authority.refused',
    reason,
    method,
    path,
    principal,
    scheme,
    credential_id: credentialId,
    client_address: clientAddress,
    request_id: requestId,
    ...(note !== '' && { note }),
    ...(claimed !== '' && { claimed }),
  };
  return terminalSafe(JSON.stringify(line));
}

/** What the lines of one caller on one route have in common, around the path. */
interface Shared {
  readonly row: DecisionRow;
  readonly beforePath: string;
  readonly behindPath: string;
}

/** The last of each caller on each route: a line takes half as long when most of it need not be put together again. */
const recent = new Map<string, Shared>();
const recentMax = 1024;

function sharedBy(row: DecisionRow): Shared {
  const place = `${row.credentialId} ${row.route}`;
  const held = recent.get(place);
  // Anybody may make two rows meet in one place.
  if (held && isAlike(held.row, row)) return held;
  if (recent.size >= recentMax) recent.clear();
  const made = sharedOf(row);
  recent.set(place, made);
  return made;
}

/** Each is put together by a join, which leaves one piece of text: what `+` leaves is walked through for each line. */
function sharedOf(row: DecisionRow): Shared {
  const { outcome, reason, mode, service, route, method, principal, scheme, credentialId } = row;
  return {
    row,
    beforePath: [
      `","level":"${levelOf(row)}","event":"auth.decision","outcome":${quoted(outcome)},"reason":${quoted(reason)}`,
      `,"mode":${quoted(mode)},"service":${quoted(service)},"route":${quoted(route)},"method":${quoted(method)},"path":`,
    ].join(''),
    behindPath: [
      `,"principal":${quoted(principal)},"scheme":${quoted(scheme)},"credential_id":${quoted(credentialId)}`,
      ',"client_address":',
    ].join(''),
  };
}

/** error: nobody could decide, a good request did not arrive, or the glass was broken. warn: refused, or it would have been. */
export function levelOf(row: DecisionRow): 'info' | 'warn' | 'error' {
  if (row.principal === 'operator:break-glass') return 'error';
  if (row.reason === 'unavailable' || row.reason.startsWith('upstream_')) return 'error';
  return row.outcome === 'deny' || row.outcome === 'would_deny' ? 'warn' : 'info';
}

const ordinary = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
// JSON leaves these as they are, but a terminal may obey them (C1 controls) or show the line in another order (bidi).
const unsafeForTerminals = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

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
  return Number.isFinite(value) ? String(Math.round(value * parts) / parts) : 'null';
}

let second = Number.NaN;
let secondText = '';

/** RFC 3339 with milliseconds. Everything up to the second is kept from line to line. */
function timeText(epochSeconds: number): string {
  const millis = Math.floor(inCalendar(epochSeconds) * 1000);
  const whole = Math.floor(millis / 1000);
  if (whole !== second) {
    second = whole;
    secondText = new Date(whole * 1000).toISOString().slice(0, -4);
  }
  const rest = millis - whole * 1000;
  return `${secondText}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
}
