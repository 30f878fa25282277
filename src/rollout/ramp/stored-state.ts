import { z } from 'zod';
import type { RampState } from './state.ts';

const texts = z.array(z.string());
const limit = z.number().nullable();

const plan = z.looseObject({
  name: z.string(),
  steps: z
    .array(
      z.looseObject({
        routes: texts,
        callersPercent: z.number(),
        soakSeconds: z.number(),
        promote: z.enum(['auto', 'manual']),
      }),
    )
    .min(1),
  intervalSeconds: z.number(),
  minSamples: z.number(),
  failureLimit: z.number(),
  consecutiveSuccessLimit: z.number(),
  inconclusiveLimit: limit,
  gates: z.looseObject({
    claims: z.enum(['count', 'ignore']),
    upstreamErrors: limit,
    decisionMicros: limit,
    // Ramps from before there was this gate have none.
    answerMicros: limit.optional(),
    clockSkewSeconds: limit,
    keyExpiry: z.boolean(),
    health: z.string().nullable(),
  }),
  exempt: z.array(
    z.looseObject({
      caller: z.string().nullable(),
      addresses: texts,
      routes: texts,
      until: z.number(),
      owner: z.string(),
      reason: z.string(),
    }),
  ),
});

const state = z
  .looseObject({
    version: z.literal(1),
    plan,
    salt: z.string(),
    status: z.enum(['running', 'paused', 'stopped', 'finished', 'withdrawn']),
    step: z.int().nonnegative(),
    steps: z.array(z.enum(['waiting', 'enforced', 'passed', 'rolled_back'])),
    since: z.number(),
    orderedAt: z.number(),
    startedAt: z.number(),
    startedBy: z.string(),
    lookedAt: z.number(),
    watchedSeconds: z.number().optional(),
    successes: z.number(),
    inconclusive: z.number(),
    findings: texts,
    culprits: z.array(
      z.looseObject({ caller: z.string(), route: z.string(), reason: z.string(), requestId: z.string() }),
    ),
  })
  .refine(({ steps, step, plan: { steps: planned } }) => steps.length === planned.length && step < steps.length);

/** Null for what another program wrote, or changed: every request goes by this, so nothing of it may be missing. */
export function storedState(value: unknown): RampState | null {
  return state.safeParse(value).success ? (value as RampState) : null;
}
