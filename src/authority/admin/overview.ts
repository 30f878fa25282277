import { report, type Report } from '../../audit/report/report.ts';
import { rfc3339, rfc3339OrNull } from '../../core/clock.ts';
import type { KeyRecord, KeyUse } from '../../core/credential.ts';
import { isAllEnforced, rampedRoutes, type RampedRoute } from '../../compose/ramps/ramped-routes.ts';
import type { Stack } from '../../compose/stack.ts';
import { endsElsewhere } from '../../keys/ends-elsewhere.ts';
import { lineageOf, type Lineage } from '../../keys/lineage.ts';
import { refused, type Refused } from '../refused.ts';

/** What the admin API and the MCP tools show of a stack: never a secret, never a digest. */
export type KeyLine = ReturnType<typeof keyLine>;

export async function keyList(stack: Stack): Promise<KeyLine[]> {
  const now = stack.clock();
  const records = await stack.store.keys.list();
  const lineage = lineageOf(records, now);
  // The one used last stands first, so the first of each key is its last use.
  const lastUses = new Map<string, KeyUse>();
  for (const use of await stack.store.usage.list())
    if (!lastUses.has(use.credentialId)) lastUses.set(use.credentialId, use);
  return records.map((record) => keyLine(record, { now, lineage, use: lastUses.get(record.id) ?? null }));
}

interface AroundKey {
  readonly now: number;
  readonly lineage: Lineage;
  readonly use: KeyUse | null;
}

function keyLine(record: KeyRecord, { now, lineage, use }: AroundKey) {
  return {
    id: record.id,
    service: record.service,
    kind: record.kind,
    last_four: record.lastFour,
    imported: record.imported,
    scopes: [...record.scopes],
    allowed_ips: [...record.allowedIps],
    created_at: rfc3339(record.createdAt),
    expires_at: rfc3339OrNull(record.expiresAt),
    revoked_at: rfc3339OrNull(record.revokedAt),
    status:
      record.revokedAt !== null
        ? 'revoked'
        : record.expiresAt !== null && record.expiresAt <= now
          ? 'expired'
          : 'active',
    stage: lineage.stageOf(record),
    replaces: record.replaces,
    last_used: use && useLine(use),
  };
}

/** Null: not seen in use. */
export async function lastUseOf({ store }: Stack, keyId: string): Promise<ReturnType<typeof useLine> | null> {
  const [use] = await store.usage.list([keyId]);
  return use ? useLine(use) : null;
}

function useLine({ lastUsed, caller, clientAddress }: KeyUse) {
  return { at: rfc3339(lastUsed), by: caller, from: clientAddress };
}

function modeList(stack: Stack) {
  return stack.modes.describe().map((line) => ({
    scope: line.scope,
    mode: line.mode,
    source: line.source,
    set_by: line.setBy,
    set_at: rfc3339OrNull(line.setAt),
  }));
}

/** What the modes say, and where the ramp enforces what they only report. */
export function modesShown(stack: Stack) {
  const shares = ramped(stack).map(({ service, label, ...share }) => ({ service, path: label, ...share }));
  return { modes: modeList(stack), ramped: shares };
}

function ramped({ config, modes, ramp }: Stack): RampedRoute[] {
  return rampedRoutes({ config, modes, state: ramp.state() });
}

export function serviceList(stack: Stack) {
  const shares = Map.groupBy(ramped(stack), ({ service }) => service);
  return stack.config.services.map((service) => {
    const own = new Map(shares.get(service.name)?.map(({ label, percent, step }) => [label, { percent, step }]));
    return {
      name: service.name,
      upstream: service.upstream,
      listen: service.listen,
      hosts: [...service.hosts],
      mount: service.mount,
      accept: [...service.accept],
      mode: stack.modes.modeOf(service.name, '*', null),
      ramp: own.get('*') ?? null,
      routes: service.rules.map((rule) => ({
        path: rule.path,
        methods: rule.methods,
        access: rule.access,
        callers: rule.callers,
        scopes: [...rule.scopes],
        allowed_ips: rule.addresses?.cidrs ?? [],
        mode: stack.modes.modeOf(service.name, rule.path, rule.mode),
        ramp: rule.access === 'public' ? null : (own.get(rule.path) ?? null),
      })),
    };
  });
}

/** A span that ends now: '90m', '24h', '7d'. `name`: as which it was asked for. */
export function sinceOf(
  stack: Stack,
  text: string = '1h',
  name: 'since' | 'until' = 'since',
): { since: number; until: number } | Refused {
  const parts = /^([1-9][0-9]{0,8})([smhd])$/.exec(text);
  if (!parts) return refused('bad_request', `${name} is a number and s, m, h or d, for example 90m or 7d`);
  const until = stack.clock();
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[parts[2] as 's' | 'm' | 'h' | 'd'];
  return { since: until - Number(parts[1]) * unit, until };
}

export async function reportShown(stack: Stack, span: { since: number; until: number }): Promise<Report> {
  // What was decided a moment ago may still be on its way to the store.
  await stack.audit.flush();
  const { config, modes, ramp } = stack;
  return report(
    stack.store,
    { ...span, untilNow: true },
    {
      endsElsewhere: endsElsewhere(stack.keyring.found()),
      isEnforced: isAllEnforced({ config, modes, state: ramp.state() }),
    },
  );
}
