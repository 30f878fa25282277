import type { StackConfig } from '../../compose/config.ts';
import { rotationRule } from '../../compose/rotation.ts';
import type { KeyRecord } from '../../core/credential.ts';
import type { DecisionRow, Store } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import { expiryWarnings } from '../../keys/expiry-warnings.ts';
import { lineageOf } from '../../keys/lineage.ts';
import { rotationsWanting } from '../../keys/rotation/rotations-wanting.ts';
import { inWords } from '../duration.ts';
import { repair, type Finding } from './finding.ts';

const day = 86_400;
/** A key that nobody has used for so long is nobody's. */
const unusedSeconds = 30 * day;
/** How far back routes and clocks are looked at. */
const lookedBack = 30 * day;
/** So long something must have been watched before silence says anything. */
const watchedSeconds = 7 * day;
/** HTTP signatures allow 30 s ahead. */
const skewSecondsMax = 15;
const rowsLookedAt = 20_000;

/** What the store tells: what endangers it, keys that end or that nobody uses, routes that nobody calls, clocks that are off. */
export async function checkStore(config: StackConfig, store: Store, now: number): Promise<Finding[]> {
  const records = await store.keys.list();
  const uses = await store.usage.list();
  const ruleOf = (service: string) => rotationRule(config, service);
  const wanting = [
    ...expiryWarnings(records, uses, now).map(({ words }) => words),
    ...rotationsWanting({ records, uses, now, ruleOf }),
  ];
  const used = new Set(uses.map(({ credentialId }) => credentialId));
  return [
    ...(await dangers(store)),
    ...wanting.map(keyWanting),
    ...unusedKeys(records, used, now),
    ...(await silentRoutes(config, store, now)),
    ...(await clocksOff(store, now)),
  ];
}

/** What servers and `status` warn of, or refuse to work with: a sentence, and often what to do behind its last semicolon. */
async function dangers(store: Store): Promise<Finding[]> {
  const texts = [...(await store.warnings())];
  await store.ping().catch((error: unknown) => texts.push(messageOf(error)));
  return texts.map((text) => {
    const [, what = text, remedy] = /^(.*); (.*)$/.exec(text) ?? [];
    return {
      check: 'store-endangered',
      place: 'store',
      severity: 'medium',
      what,
      why: 'Keys, revocations and decisions are there and nowhere else; what it loses, or does not take, is missing when it is needed.',
      repair: repair({ words: remedy === undefined ? 'See: countersign store status' : `For it: ${remedy}` }),
    };
  });
}

/** The sentences of `status`, which end with the command to type. */
function keyWanting(words: string): Finding {
  const [, what = words, command] = /^(.*?)(?:[:;] [^:]*)?: (countersign .*)$/.exec(words) ?? [];
  const id = /\bkey (\w{10})\b/.exec(words)?.[1];
  return {
    check: 'key-wanting',
    place: id === undefined ? 'keys' : `key ${id}`,
    severity: 'medium',
    what,
    why: 'A key that ends without a successor is an outage on that day; an old one that lives on is a door nobody watches.',
    repair: repair({
      commands: command === undefined ? [] : [command.replace(/ says why$/, '')],
      words: command === undefined ? 'See: countersign keys list' : null,
    }),
  };
}

function unusedKeys(records: readonly KeyRecord[], used: ReadonlySet<string>, now: number): Finding[] {
  const lineage = lineageOf(records, now);
  const unused = records.filter(
    (record) => lineage.stageOf(record) === 'current' && now - record.createdAt > unusedSeconds && !used.has(record.id),
  );
  return unused.map(({ id, service, createdAt }) => ({
    check: 'unused-key',
    place: `key ${id}`,
    severity: 'low',
    what: `the key of ${service} was never used in the ${inWords(now - createdAt)} since it was made`,
    why: 'Nobody would miss it, and nobody would notice that it was stolen.',
    repair: repair({ commands: [`countersign keys revoke ${id}`] }),
  }));
}

async function silentRoutes(config: StackConfig, store: Store, now: number): Promise<Finding[]> {
  if (!config.audit.rows) return [];
  const groups = await store.decisions.groups(now - lookedBack, now + 1);
  const watched = new Set(
    groups.filter(({ firstSeen }) => now - firstSeen > watchedSeconds).map(({ service }) => service),
  );
  const called = new Set(groups.map(({ service, route }) => `${service}${route}`));
  return config.services
    .filter(({ name }) => watched.has(name))
    .flatMap(({ name, rules }) =>
      rules
        .filter(({ access, path }) => access === 'public' && !called.has(`${name}${path}`))
        .map(({ path }) => ({
          check: 'silent-public-route',
          place: `${name}${path}`,
          severity: 'low' as const,
          what: 'a public route that nobody called in the last 30 days',
          why: 'It is open to everybody and of use to nobody.',
          repair: repair({
            words: `Take the rule for ${path} out of \`services.${name}.routes\` of the configuration.`,
          }),
        })),
    );
}

async function clocksOff(store: Store, now: number): Promise<Finding[]> {
  const rows = await store.decisions.list({ since: now - day, limit: rowsLookedAt });
  const byCaller = Map.groupBy(
    rows.filter(({ skewSeconds, principal, claimed }) => skewSeconds !== null && (principal || claimed) !== ''),
    ({ principal, claimed }) => principal || `service:${claimed}`,
  );
  return [...byCaller].flatMap(([caller, own]) => {
    const skew = median(own);
    if (Math.abs(skew) <= skewSecondsMax) return [];
    return [
      {
        check: 'clock-skew',
        place: caller,
        severity: 'medium' as const,
        what: `its clock differs from this one by ${Math.round(Math.abs(skew))} s, in the median of ${own.length} signed requests`,
        why: 'Signatures hold the time: a little more, and all of its requests are refused.',
        repair: repair({ words: 'On both machines: timedatectl set-ntp true; then compare with date -u.' }),
      },
    ];
  });
}

function median(rows: readonly DecisionRow[]): number {
  const skews = rows.map(({ skewSeconds }) => skewSeconds ?? 0).toSorted((a, b) => a - b);
  return skews[Math.floor(skews.length / 2)] ?? 0;
}
