import type { Call } from '../traffic.ts';

export interface Node {
  readonly name: string;
  readonly y: number;
  readonly requests: number;
}

export interface Edge {
  readonly call: Call;
  readonly fromY: number;
  readonly toY: number;
  /** Line width: by magnitude, so that one busy caller does not hide the rest. */
  readonly width: number;
}

export interface Layout {
  readonly callers: readonly Node[];
  readonly services: readonly Node[];
  readonly edges: readonly Edge[];
  readonly height: number;
  /** Callers that were left out; the table has them. */
  readonly hidden: number;
}

const rowHeight = 34;
const callersMax = 40;

/**
 * Callers left, services right, each ordered by where its partners stand (barycentres, twice), which takes out most crossings.
 */
export function graphLayout(calls: readonly Call[]): Layout {
  const all = sums(calls, ({ caller }) => caller);
  const shown = new Set([...all].slice(0, callersMax).map(([name]) => name));
  const drawn = calls.filter(({ caller }) => shown.has(caller));
  let callers = [...shown];
  let services = [...sums(drawn, ({ service }) => service)].map(([name]) => name);
  for (let round = 0; round < 2; round += 1) {
    services = byPartners(
      services,
      drawn,
      callers,
      ({ service }) => service,
      ({ caller }) => caller,
    );
    callers = byPartners(
      callers,
      drawn,
      services,
      ({ caller }) => caller,
      ({ service }) => service,
    );
  }
  const height = Math.max(callers.length, services.length, 1) * rowHeight;
  const place = (names: readonly string[]): Map<string, number> =>
    new Map(names.map((name, index) => [name, ((index + 0.5) * height) / names.length]));
  const callerY = place(callers);
  const serviceY = place(services);
  const serviceSums = sums(drawn, ({ service }) => service);
  return {
    callers: callers.map((name) => ({ name, y: callerY.get(name) ?? 0, requests: all.get(name) ?? 0 })),
    services: services.map((name) => ({ name, y: serviceY.get(name) ?? 0, requests: serviceSums.get(name) ?? 0 })),
    edges: drawn.map((call) => ({
      call,
      fromY: callerY.get(call.caller) ?? 0,
      toY: serviceY.get(call.service) ?? 0,
      width: 1 + Math.min(5, Math.log10(Math.max(1, call.requests))),
    })),
    height,
    hidden: all.size - shown.size,
  };
}

/** Busiest first. */
function sums(calls: readonly Call[], nameOf: (call: Call) => string): Map<string, number> {
  const found = new Map<string, number>();
  for (const call of calls) found.set(nameOf(call), (found.get(nameOf(call)) ?? 0) + call.requests);
  return new Map([...found].sort(([, a], [, b]) => b - a));
}

function byPartners(
  names: readonly string[],
  calls: readonly Call[],
  partners: readonly string[],
  own: (call: Call) => string,
  other: (call: Call) => string,
): string[] {
  const at = new Map(partners.map((name, index) => [name, index]));
  const middle = new Map<string, number>();
  for (const name of names) {
    const places = calls.filter((call) => own(call) === name).map((call) => at.get(other(call)) ?? 0);
    middle.set(name, places.reduce((sum, place) => sum + place, 0) / Math.max(1, places.length));
  }
  return [...names].sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
}
