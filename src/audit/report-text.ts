import { printable } from '../core/printable.ts';
import type { RefusalGroup, Report } from './report.ts';

const groupsShown = 20;
const callersShown = 20;

/** The report for people: totals, a verdict on enforcing, and what there is to mend. Ends without a line end. */
export function reportText(report: Report): string {
  const lines = [
    `From ${report.since} to ${report.until}`,
    '',
    ...table([
      ['requests', 'allowed', 'denied', 'would be denied', 'public'],
      [report.requests, report.allowed, report.denied, report.would_deny, report.public].map(String),
    ]),
  ];
  if (report.upstream_failures > 0)
    lines.push(`${counted(report.upstream_failures, 'allowed request')} got no answer from the upstream.`);
  lines.push('', verdictLine(report));
  lines.push(...groupLines('Would be refused', report.would_deny_groups));
  lines.push(...groupLines('Was refused', report.denied_groups));
  if (report.callers.length > 0) lines.push('', 'Callers', ...callerTable(report));
  return lines.join('\n');
}

/** One sentence: may this stack be switched to enforce, as far as the period tells? */
export function verdictLine(report: Report): string {
  if (report.requests === 0) return 'Nothing can be said about enforcing: no requests were seen in this time.';
  if (report.would_deny > 0) {
    const callers = new Set(report.would_deny_groups.map((group) => group.caller));
    const unnamed = callers.delete('') ? ['callers without a name'] : [];
    const named = callers.size > 0 ? [counted(callers.size, 'named caller')] : [];
    return (
      `Not ready to enforce: ${counted(report.would_deny, 'request')} of ${[...named, ...unnamed].join(' and ')} ` +
      'would be refused. Mend the groups below, then look again.'
    );
  }
  if (report.not_judged > 0)
    return `Nothing can be said about enforcing: ${counted(report.not_judged, 'request')} passed in mode off, unjudged. Set report first.`;
  return 'Ready to enforce: nothing that passed would be refused. Callers that were silent in this time are not covered.';
}

function groupLines(title: string, groups: readonly RefusalGroup[]): string[] {
  if (groups.length === 0) return [];
  const rows = groups
    .slice(0, groupsShown)
    .map((group) => [
      String(group.count),
      callerText(group.caller),
      routeText(group.service, group.route),
      group.reason,
      group.last_seen,
      group.client_addresses.join(' '),
    ]);
  const rest = groups.length - groupsShown;
  return [
    '',
    title,
    ...table([['count', 'caller', 'route', 'reason', 'last seen', 'addresses'], ...rows]),
    ...(rest > 0 ? [`… and ${rest} more`] : []),
  ];
}

function callerTable(report: Report): string[] {
  const rows = report.callers
    .slice(0, callersShown)
    .map((caller) => [
      callerText(caller.caller),
      ...[caller.requests, caller.allowed, caller.denied, caller.would_deny].map(String),
    ]);
  return table([['caller', 'requests', 'allowed', 'denied', 'would be denied'], ...rows]);
}

/** As the gateway is asked for it; the unruled paths of a service are '/embeddings/*'. */
export function routeText(service: string, route: string): string {
  return `/${service}${route === '*' ? '/*' : route}`;
}

function callerText(caller: string): string {
  return caller === '' ? '(unnamed)' : caller;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const clean = rows.map((row) => row.map(printable));
  const widths = (clean[0] ?? []).map((_, column) => Math.max(...clean.map((row) => row[column]?.length ?? 0)));
  return clean.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
