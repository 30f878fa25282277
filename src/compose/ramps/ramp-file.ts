import { z } from 'zod';
import { cidrFault } from '../../core/address.ts';
import { callerId } from '../../core/route.ts';
import { meansRoute, routeName, type RampPlan } from '../../rollout/ramp/plan.ts';
import type { StackConfig } from '../config.ts';
import { sourceDocument } from '../schema/document.ts';
import { ConfigError, type Fault } from '../faults.ts';
import { configText } from '../schema/config-text.ts';
import { placeIn, type Place } from '../checks/place.ts';
import { seconds } from '../schema/quantities.ts';
import { schemaFaults } from '../schema/schema-faults.ts';
import { cidr, count, duration, some } from '../schema/schema-words.ts';

const globs = some(
  z.string().min(1, { error: 'write SERVICE/RULE; * stands for any characters: embeddings/*' }),
  'none: a step needs routes',
);
const part = z
  .string()
  .regex(/^(?:0|[1-9][0-9]?)(?:\.[0-9]{1,2})?%$/, { error: 'write a part of the requests below 100%: 1%' });
const percent = z.string().regex(/^(?:[1-9][0-9]?|100)%$/, { error: 'write whole per cent from 1% to 100%' });
const promote = z.enum(['auto', 'manual']);
const line = z.string().min(1, { error: 'write who, or why' }).max(500);

const planSchema = z.strictObject({
  name: line.optional(),
  interval: duration.optional(),
  soak: duration.optional(),
  promote: promote.optional(),
  minSamples: count.optional(),
  failureLimit: z.int().min(0).max(1_000_000_000).optional(),
  consecutiveSuccessLimit: count.optional(),
  inconclusiveLimit: count.optional(),
  gates: z
    .strictObject({
      claims: z.enum(['count', 'ignore']).optional(),
      upstreamErrors: part.optional(),
      decisionTime: z
        .string()
        .regex(/^[1-9][0-9]{0,6}(?:us|ms)$/, { error: 'write 500us or 5ms' })
        .optional(),
      answerTime: z
        .string()
        .regex(/^[1-9][0-9]{0,6}(?:ms|s)$/, { error: 'write 800ms or 5s' })
        .optional(),
      clockSkew: duration.optional(),
      keyExpiry: z.boolean().optional(),
      health: z
        .url({ protocol: /^https?$/, error: 'write the address of a health page: http://127.0.0.1:9000/health' })
        .optional(),
    })
    .optional(),
  steps: z
    .array(
      z.strictObject({
        routes: globs,
        callers: percent.optional(),
        soak: duration.optional(),
        promote: promote.optional(),
      }),
    )
    .min(1, { error: 'write at least one step' })
    .max(100, { error: 'write at most 100 steps' }),
  exempt: z
    .array(
      z.strictObject({
        caller: line.optional(),
        allowedIps: some(cidr, 'a caller').optional(),
        routes: globs,
        until: z.iso.date({ error: 'write the day on which it ends: 2027-01-31' }),
        owner: line,
        reason: line,
      }),
    )
    .max(1000)
    .optional(),
});

/** What the ramp is about: every rule of every service, and the rule of what has none. */
export interface RampGround {
  readonly routes: readonly { readonly service: string; readonly label: string }[];
  /** Epoch seconds. */
  readonly now: number;
}

export function rampGround({ services }: Pick<StackConfig, 'services'>, now: number): RampGround {
  const routes = services.flatMap(({ name, rules }) => [
    ...rules.filter(({ access }) => access !== 'public').map(({ path }) => ({ service: name, label: path })),
    { service: name, label: '*' },
  ]);
  return { routes: [...new Map(routes.map((route) => [routeName(route.service, route.label), route])).values()], now };
}

/** Throws a ConfigError with every fault at once. */
export function rampPlan(file: string, ground: RampGround): RampPlan {
  return parseRampPlan(configText(file), file, ground);
}

export function parseRampPlan(text: string, file: string | null, ground: RampGround): RampPlan {
  const source = sourceDocument(text);
  const wrong = source.faults.length > 0 ? source.faults : schemaFaults(source, planSchema);
  const faults = [...wrong, ...(wrong.length > 0 ? [] : findings(placeIn(source), ground))];
  if (faults.length > 0) throw new ConfigError(file ?? 'the plan', faults);
  const written = planSchema.parse(source.value);
  const { gates = {} } = written;
  const { upstreamErrors, clockSkew } = gates;
  const plan: RampPlan = {
    name: written.name ?? 'ramp',
    intervalSeconds: seconds(written.interval ?? '1m') ?? 0,
    minSamples: written.minSamples ?? 20,
    failureLimit: written.failureLimit ?? 0,
    consecutiveSuccessLimit: written.consecutiveSuccessLimit ?? 3,
    inconclusiveLimit: written.inconclusiveLimit ?? null,
    gates: {
      claims: gates.claims ?? 'count',
      upstreamErrors: upstreamErrors === undefined ? null : Number(upstreamErrors.slice(0, -1)) / 100,
      decisionMicros: microsIn(gates.decisionTime),
      answerMicros: microsIn(gates.answerTime),
      clockSkewSeconds: seconds(clockSkew ?? '120s'),
      keyExpiry: gates.keyExpiry ?? true,
      health: gates.health ?? null,
    },
    steps: written.steps.map((step) => ({
      routes: step.routes,
      callersPercent: Number.parseInt(step.callers ?? '100%', 10),
      soakSeconds: seconds(step.soak ?? written.soak ?? '30m') ?? 0,
      promote: step.promote ?? written.promote ?? 'auto',
    })),
    exempt: (written.exempt ?? []).map(({ caller, allowedIps = [], routes, until, owner, reason }) => ({
      caller: caller === undefined ? null : callerId(caller),
      addresses: allowedIps,
      routes,
      until: Date.parse(until) / 1000,
      owner,
      reason,
    })),
  };
  if (Buffer.byteLength(JSON.stringify(plan)) > planBytesMax) throw new ConfigError(file ?? 'the plan', [tooLarge]);
  return plan;
}

const unitMicros: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000 };

function microsIn(text: string | undefined): number | null {
  return text === undefined ? null : Number.parseInt(text, 10) * (unitMicros[text.replace(/[0-9]+/, '')] ?? 1);
}

/** It is kept in one record of the store, together with what becomes of it. */
const planBytesMax = 131_072;
const tooLarge: Fault = {
  source: 'file',
  line: 0,
  column: 0,
  message: 'the plan is larger than 128 KiB',
  hint: 'name routes by globs, and let fewer callers be exempt',
};

function findings(root: Place, { routes, now }: RampGround): Fault[] {
  const globFaults = (places: readonly Place[]): Fault[] =>
    places
      .filter(({ text }) => !routes.some(({ service, label }) => meansRoute([text ?? ''], service, label)))
      .map((place) => {
        const known = routes.map(({ service, label }) => routeName(service, label)).slice(0, 12);
        return place.fault(`"${place.text}" means no route that is there`, `there are ${known.join(', ')}`);
      });
  const exempt = root.get('exempt').items();
  const health = root.get('gates').get('health');
  const { username, password } = new URL(health.text ?? 'http://none');
  return [
    // No fetch takes them, and what the gates find is kept, logged and shown with the address.
    ...(username + password === ''
      ? []
      : [health.fault('"health" holds a name and a password', 'name a page that answers without')]),
    ...[...root.get('steps').items(), ...exempt].flatMap((place) => globFaults(place.get('routes').items())),
    ...exempt.flatMap((place) => {
      const [caller, addresses, until] = ['caller', 'allowedIps', 'until'].map((name) => place.get(name));
      const found: Fault[] = [];
      if ((caller?.value === undefined) === (addresses?.value === undefined))
        found.push(
          place.fault('an exemption is for a caller or for addresses', 'write caller: or allowedIps:, one of them'),
        );
      for (const one of addresses?.items() ?? []) {
        const fault = cidrFault(one.text ?? '');
        if (fault) found.push(one.fault(fault, ''));
      }
      if (until && Date.parse(until.text ?? '') / 1000 <= now)
        found.push(until.fault(`${until.text} is over`, 'an exemption ends in the future, or is left out'));
      return found;
    }),
  ];
}
