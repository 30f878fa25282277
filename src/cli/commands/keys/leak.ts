import { reachOf, type Reach } from '../../../compose/reach.ts';
import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import type { KeyUse } from '../../../core/credential.ts';
import type { DecisionGroup } from '../../../core/rollup.ts';
import { agoWords } from '../../../keys/use-words.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { EXIT } from '../../failure.ts';
import { columns } from '../../output.ts';
import { textFromStdin } from '../../secret-input.ts';
import { atWork } from '../../workplace.ts';
import { byPublicName, bySecret, type Place, type Subject } from './leak-subject.ts';

interface Findings {
  readonly subject: Subject;
  readonly opens: readonly Reach[];
  /** Scopes that open endpoints of the authority. */
  readonly administers: readonly string[];
  readonly did: readonly DecisionGroup[];
  readonly uses: readonly KeyUse[];
}

/** Exit 1 while the credential is alive, so that a script can wait for its end. */
export async function keysLeak(invocation: Invocation): Promise<number> {
  const [name] = invocation.positionals;
  const since = durationSeconds(invocation.text('since') ?? '30d', 'since');
  return atWork(invocation, async ({ config, store }) => {
    const now = systemClock();
    const place: Place = { store, config, now };
    const subject =
      name === undefined
        ? await bySecret(await textFromStdin(invocation, 'what was found'), place)
        : await byPublicName(name, place);
    const { presented, credentialId } = subject;
    const known = credentialId !== '';
    const findings: Findings = {
      subject,
      opens: presented ? reachOf(config, presented) : [],
      administers: administered(presented?.principal.scopes ?? []),
      did: known ? await store.decisions.groups(now - since, now, credentialId) : [],
      uses: known ? await store.usage.list([credentialId]) : [],
    };
    if (invocation.json) invocation.out.json(asJson(findings));
    else say(findings, now, invocation);
    return subject.state === 'active' ? EXIT.refused : EXIT.done;
  });
}

const ADMINISTERS: Readonly<Record<string, string>> = {
  'admin:tokens': 'mints, lists and revokes session tokens within its own scopes (/auth/token, /mcp)',
  'keys:read': 'reads the keys that its service judges by, HMAC secrets of named callers among them (/auth/keys)',
  'metrics:read': 'reads /metrics',
};

function administered(scopes: readonly string[]): string[] {
  return Object.keys(ADMINISTERS).filter((scope) => scopes.includes(scope));
}

function asJson({ subject, opens, administers, did, uses }: Findings) {
  const { presented } = subject;
  return {
    what: subject.what,
    credential_id: subject.credentialId,
    principal: presented?.principal.id ?? null,
    state: subject.state,
    created_at: rfc3339OrNull(subject.createdAt),
    expires_at: rfc3339OrNull(subject.expiresAt),
    scopes: presented?.principal.scopes ?? [],
    allowed_ips: presented?.principal.addresses?.cidrs ?? [],
    could_reach: opens.map(({ service, path, methods, addresses }) => ({ service, path, methods, from: addresses })),
    administers,
    did_reach: did.map((group) => ({
      service: group.service,
      route: group.route,
      outcome: group.outcome,
      reason: group.reason,
      mode: group.mode,
      by: group.caller,
      from: group.clientAddress,
      count: group.count,
      first: rfc3339(group.firstSeen),
      last: rfc3339(group.lastSeen),
    })),
    used_from: uses.map((use) => ({
      from: use.clientAddress,
      by: use.caller,
      count: use.count,
      first: rfc3339(use.firstUsed),
      last: rfc3339(use.lastUsed),
    })),
    end_with: subject.endWith,
  };
}

function say({ subject, opens, administers, did, uses }: Findings, now: number, { out }: Invocation): void {
  const title = (text: string): void => {
    out.line();
    out.line(out.paint('bold', text));
  };
  const alive = subject.state === 'active';
  const ends = subject.expiresAt === null ? '' : `, ends ${rfc3339(subject.expiresAt)}`;
  out.line(`${subject.what}: ${out.paint(alive ? 'red' : 'green', alive ? `alive${ends}` : subject.state)}`);
  const addresses = subject.presented?.principal.addresses?.cidrs ?? [];
  title(alive ? 'It opens' : 'It opened, while it lived');
  for (const { service, path, methods, addresses: from } of opens) {
    const places = [from, addresses.length > 0 ? addresses : null].filter((list) => list !== null);
    const where = places.map((list) => ` from ${list.join(' ')}`).join(', and');
    out.line(`  ${service}${path}  ${methods?.join(' ') ?? 'all methods'}${where}`);
  }
  for (const scope of administers) out.line(`  ${scope}: ${ADMINISTERS[scope]}`);
  if (opens.length + administers.length === 0) out.line('  nothing, by the configuration');
  title('It was used');
  const rows = did.map((group) => [
    `  ${group.service}`,
    group.route,
    group.reason === '' ? group.outcome : `${group.outcome} (${group.reason})`,
    group.mode,
    group.caller === '' ? 'not proven' : group.caller,
    group.clientAddress,
    String(group.count),
    rfc3339(group.firstSeen),
    rfc3339(group.lastSeen),
  ]);
  const head = ['  SERVICE', 'ROUTE', 'OUTCOME', 'MODE', 'BY', 'FROM', 'COUNT', 'FIRST', 'LAST'];
  if (rows.length > 0) for (const line of columns(head, rows, out)) out.line(line);
  else out.line('  by no decision that is kept');
  for (const use of uses)
    out.line(
      `  ${use.count} times from ${use.clientAddress}, first ${rfc3339(use.firstUsed)}, last ${agoWords(now - use.lastUsed)}`,
    );
  if (subject.endWith === null) return;
  title('End it');
  out.advice(`  ${out.paint('cyan', subject.endWith)}`);
}
