import { callerWords, counted, percent, routeWords } from './words.ts';
import type { RatedTotals, RefusalGroup, Report } from './report.ts';

/** A report as it is laid out, whatever it is written in. No cell holds markup. */
export interface ReportDocument {
  readonly title: string;
  readonly period: string;
  readonly answer: 'ready' | 'not_ready' | 'unknown';
  readonly summary: string;
  readonly sections: readonly Section[];
}

export interface Section {
  readonly title: string;
  readonly notes: readonly string[];
  readonly table: Table | null;
  /** What to do, with commands to be run. */
  readonly steps: readonly Step[];
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What was left out. */
  readonly rest: number;
}

export interface Step {
  readonly text: string;
  readonly commands: readonly string[];
}

const rowsMax = 20;

export function reportDocument(report: Report): ReportDocument {
  const { service } = report;
  return {
    title: service === null ? 'Countersign report' : `Countersign report for ${service}`,
    period: `From ${report.since} to ${report.until}`,
    answer: report.verdict.answer,
    summary: report.verdict.summary,
    sections: [
      totalsSection(report),
      mendSection(report),
      section('Worth knowing', { notes: report.verdict.concerns }),
      refusals('Would be refused', report.would_deny_groups),
      refusals('Was refused', report.denied_groups),
      reasonsSection(report),
      ratedSection('Callers', 'caller', report.callers, ({ caller }) => callerWords(caller)),
      ratedSection('Services', 'service', servicesOf(report), ({ name }) => name),
      ratedSection('Endpoints', 'route', report.top_endpoints, ({ service: name, route }) => routeWords(name, route)),
      ratedSection('Sources', 'address', report.top_sources, ({ client_address }) => client_address),
      clocksSection(report),
      keysSection(report),
      overheadSection(report),
    ].filter(({ notes, table, steps }) => notes.length > 0 || steps.length > 0 || (table?.rows.length ?? 0) > 0),
  };
}

function section(title: string, parts: Partial<Section>): Section {
  return { title, notes: [], table: null, steps: [], ...parts };
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): Table {
  return { head, rows: rows.slice(0, rowsMax), rest: Math.max(0, rows.length - rowsMax) };
}

function totalsSection(report: Report): Section {
  const { requests, allowed, denied, would_deny, public: open, upstream_failures } = report;
  return section('Requests', {
    table: tableOf(
      ['requests', 'allowed', 'denied', 'would be denied', 'public'],
      [[requests, allowed, denied, would_deny, open].map(String)],
    ),
    notes:
      upstream_failures > 0
        ? [`${counted(upstream_failures, 'request')} passed and got no answer from the upstream.`]
        : [],
  });
}

function mendSection(report: Report): Section {
  const { mend } = report.verdict;
  const steps = mend.slice(0, rowsMax).map((step) => {
    const where =
      step.caller === '' && step.client_addresses.length > 0 ? ` from ${step.client_addresses.join(', ')}` : '';
    const whom = `${callerWords(step.caller)}${where}`;
    const what = `${counted(step.requests, 'request')} to ${step.routes.join(', ')} would be refused (${step.reason})`;
    return {
      text: `${whom}: ${what}, last ${step.last_seen}, request ${step.example_request_id}. ${sentence(step.what)}`,
      commands: step.commands,
    };
  });
  const rest = mend.length - steps.length;
  return section('What to mend', { steps, notes: rest > 0 ? [`… and ${rest} more`] : [] });
}

function refusals(title: string, groups: readonly RefusalGroup[]): Section {
  return section(title, {
    table: tableOf(
      ['count', 'caller', 'route', 'reason', 'first seen', 'last seen', 'request', 'addresses'],
      groups.map((group) => [
        String(group.count),
        callerWords(group.caller),
        routeWords(group.service, group.route),
        group.reason,
        group.first_seen,
        group.last_seen,
        group.example_request_id,
        addressWords(group),
      ]),
    ),
  });
}

function addressWords({ client_addresses, address_count }: RefusalGroup): string {
  const more = address_count - client_addresses.length;
  return [...client_addresses, ...(more > 0 ? [`+${more}`] : [])].join(' ');
}

function reasonsSection({ by_reason, by_outcome }: Report): Section {
  const rows = Object.keys(by_reason).map((reason) => [
    reason,
    String(by_outcome.deny[reason] ?? 0),
    String(by_outcome.would_deny[reason] ?? 0),
  ]);
  return section('Reasons', { table: tableOf(['reason', 'denied', 'would be denied'], rows) });
}

function servicesOf({ by_service }: Report): ({ name: string } & RatedTotals)[] {
  return Object.entries(by_service)
    .map(([name, totals]) => ({ name: name === '' ? '(no such service)' : name, ...totals }))
    .sort((a, b) => b.requests - a.requests);
}

function ratedSection<T extends RatedTotals>(
  title: string,
  column: string,
  lines: readonly T[],
  nameOf: (line: T) => string,
): Section {
  return section(title, {
    table: tableOf(
      [column, 'requests', 'allowed', 'denied', 'would be denied', 'public', 'success'],
      lines.map((line) => [
        nameOf(line),
        ...[line.requests, line.allowed, line.denied, line.would_deny, line.public].map(String),
        percent(line.success_rate),
      ]),
    ),
  });
}

function clocksSection({ clock_skew }: Report): Section {
  return section('Clocks', {
    table: tableOf(
      ['caller', 'signed requests', 'median (s)', '99 of 100 within (s)', 'farthest (s)'],
      clock_skew.map(({ caller, samples, p50_s, p99_s, max_s }) => [
        callerWords(caller),
        ...[samples, p50_s, p99_s, max_s].map(String),
      ]),
    ),
  });
}

function keysSection({ key_expiry }: Report): Section {
  return section('Keys that end', {
    table: tableOf(
      ['key', 'service', 'kind', 'ends', 'successor'],
      key_expiry.map(({ id, service, kind, expires_at, has_successor }) => [
        id,
        service,
        kind,
        expires_at,
        has_successor ? 'yes' : 'none',
      ]),
    ),
  });
}

function overheadSection({ overhead: { samples, p50_us, p99_us, max_us } }: Report): Section {
  return section('Time spent deciding', {
    notes:
      samples === 0
        ? []
        : [
            `Half of ${samples} decisions took at most ${p50_us} µs, 99 of 100 at most ${p99_us} µs, all at most ${max_us} µs.`,
          ],
  });
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
