import { resolve } from 'node:path';
import { candidateOf } from '../../../compose/candidate.ts';
import type { ServiceConfig, StackConfig } from '../../../compose/config.ts';
import { configChanges } from '../../../compose/wiring/config-changes.ts';
import { routeWords } from '../../../audit/report/words.ts';
import { addressList } from '../../../core/address.ts';
import { systemClock } from '../../../core/clock.ts';
import type { ModeSource } from '../../../core/mode-source.ts';
import type { DecisionRow, Store } from '../../../core/store.ts';
import { recordedRows } from '../../../rollout/recorded.ts';
import type { CredentialFacts } from '../../../rollout/replay.ts';
import { simulate as simulation, type Change, type Simulation } from '../../../rollout/simulate.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { EXIT } from '../../failure.ts';
import { keyHolders } from '../../key-holders.ts';
import { columns, type Style } from '../../output.ts';
import { atWork, readConfig } from '../../workplace.ts';
import { withModes } from '../mode/mode.ts';

/** Exit 1 when the other configuration would newly refuse a known caller. */
export async function simulate(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '7d', 'since');
  const file = resolve(invocation.text('against') ?? invocation.configFile);
  const against = await readConfig({ ...invocation, configFile: file });
  const enforced: ModeSource = { modeOf: () => 'enforce' };
  const { found, inForce } = await atWork(invocation, ({ config, store }) =>
    withModes({ config: against, store }, invocation, async (levels) => {
      const known = new Set([...namesIn(config), ...(await keyHolders(config, store))]);
      const simulated = await simulation({
        rows: recordedRows(store.decisions, systemClock() - since),
        candidate: candidateOf(against, invocation.flag('enforce') ? enforced : levels),
        facts: await factsIn(store),
        knows: (name) => known.has(name),
      });
      return { found: simulated, inForce: config };
    }),
  );
  const notTried = untried(inForce, against);
  if (invocation.json) out.json({ ...found, not_tried: notTried });
  else {
    show(found, invocation);
    if (notTried.length > 0)
      out.warn(
        `what changes there could not be tried, since nothing that is recorded tells of it: ${notTried.join(', ')}`,
      );
  }
  return found.safe ? EXIT.done : EXIT.refused;
}

/** What another configuration says otherwise of services that are there, and what was recorded cannot show: 'tools of files'. */
function untried(before: StackConfig, after: StackConfig): string[] {
  const limits = ({ rules }: ServiceConfig): string =>
    JSON.stringify(rules.filter(({ rateLimit }) => rateLimit !== null).map((rule) => [rule.path, rule.rateLimit]));
  const old = new Map(before.services.map((service) => [service.name, service]));
  const changed = new Set(configChanges(before, after).changed);
  return after.services.flatMap((service) => {
    const { name } = service;
    const one = old.get(name);
    const has = (key: string): boolean => changed.has(`services.${name}.${key}`);
    const words = [
      ...(has('mcp') ? ['tools'] : []),
      ...(has('origins') ? ['origins'] : []),
      ...(has('signature') ? ['signature'] : []),
      ...(one && (has('rateLimit') || limits(one) !== limits(service)) ? ['rateLimit'] : []),
    ];
    return words.map((word) => `${word} of ${name}`);
  });
}

function namesIn({ services, outsideCallers }: StackConfig): string[] {
  return [...services.map(({ name }) => name), ...outsideCallers];
}

/** Keys of files and of Redis have neither scopes nor addresses; their ids hold a colon, which ours never do. */
async function factsIn(store: Store): Promise<(row: DecisionRow) => Promise<CredentialFacts | null>> {
  const keys = new Map((await store.keys.list()).map((record) => [record.id, record]));
  return async ({ principal, credentialId }) => {
    const record = principal.startsWith('token:')
      ? await store.tokens.get(principal.slice('token:'.length))
      : keys.get(credentialId);
    if (record) {
      const { scopes, allowedIps } = record;
      return { scopes, addresses: allowedIps.length === 0 ? null : addressList(allowedIps) };
    }
    return credentialId.includes(':') ? { scopes: [], addresses: null } : null;
  };
}

function show(found: Simulation, { out }: Invocation): void {
  const { replayed, since, until, unchanged } = found;
  if (replayed === 0) {
    out.line('Nothing was recorded in this time, so nothing can be said.');
    return;
  }
  out.line(`${replayed} requests from ${since} to ${until} judged anew: ${unchanged} come out as they did.`);
  section('Newly refused', 'red', found.newly_refused);
  section('Would newly be refused, once enforced', 'yellow', found.newly_would_deny);
  section('Newly allowed', 'green', found.newly_allowed);
  counts('Cannot be told', found.cannot_tell);
  counts('Taken from the record (signatures, clocks and counts cannot be checked again)', found.taken_from_record);
  out.line();
  out.line(
    found.safe
      ? out.paint('green', 'No known caller would newly be refused.')
      : out.paint('yellow', 'Known callers would newly be refused.'),
  );

  function section(title: string, style: Style, changes: readonly Change[]): void {
    if (changes.length === 0) return;
    out.line();
    out.line(out.paint(style, title));
    const rows = changes.map((change) => [
      String(change.count),
      change.caller === '' ? '(unnamed)' : change.caller,
      routeWords(change.service, change.route),
      change.reason,
      `${change.before} -> ${change.after}`,
      `${change.example.method} ${change.example.path}`,
      change.example.request_id,
    ]);
    for (const line of columns(['COUNT', 'CALLER', 'ROUTE', 'REASON', 'OUTCOME', 'EXAMPLE', 'REQUEST'], rows, out))
      out.line(line);
  }

  function counts(title: string, entries: Readonly<Record<string, number>>): void {
    if (Object.keys(entries).length === 0) return;
    out.line();
    out.line(title);
    for (const [why, count] of Object.entries(entries)) out.line(`  ${count}  ${why}`);
  }
}
