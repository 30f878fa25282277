import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerNamed, requestWith, ruleFor } from '../../test/fixtures/asked.ts';
import { createGuard, type GuardOptions } from './guard.ts';
import type { MaybePromise } from './maybe-promise.ts';
import type { Mode } from './mode.ts';
import type { Policy } from './policy.ts';
import { BodyError, type BodyErrorCode } from './request.ts';
import { routeTable } from './route-table.ts';
import type { RouteRule } from './route.ts';
import type { Scheme } from './scheme.ts';
import { allow, deny, denyPrincipal, type DeniedDetails, type Verdict } from './verdict.ts';

const aidb = callerNamed('service:aidb', { scheme: 'first', scopes: ['embed:read', 'embed:write'] });

interface Setting {
  rules?: RouteRule[];
  schemes?: Scheme[];
  policies?: Policy[];
  mode?: Mode;
  authorization?: 'ours' | 'upstream';
  options?: Partial<GuardOptions>;
}

function guardWith({
  rules = [],
  schemes = [],
  policies = [],
  mode = 'enforce',
  authorization = 'ours',
  options = {},
}: Setting) {
  const table = routeTable('embeddings', rules);
  return createGuard({
    service: (name) => (name === 'embeddings' ? { table, schemes, authorization, staleSecondsMax: 5 } : null),
    policies,
    modes: { modeOf: (_service, _route, fileMode) => fileMode ?? mode },
    ...options,
  });
}

/** A scheme that answers what it is told, and writes down that it was asked. */
function scheme(
  name: string,
  answer: () => MaybePromise<Verdict | null>,
  asked: string[] = [],
  challenge: string | null = null,
): Scheme {
  return {
    name,
    authenticate() {
      asked.push(name);
      return answer();
    },
    challenge: () => challenge,
  };
}

function policy(name: string, answer: Policy['check'], asked: string[] = []): Policy {
  return {
    name,
    check(...arguments_) {
      asked.push(name);
      return answer(...arguments_);
    },
  };
}

const objects: Policy['check'] = (principal) => denyPrincipal(principal, 'not_allowed', 'no');

function broken(): never {
  throw new Error('broken');
}

function reading(code: BodyErrorCode): Scheme[] {
  return [scheme('first', () => Promise.reject(new BodyError(code, 'no')))];
}

const proves = () => allow(aidb);
const passes = () => null;
const fails = () => deny('invalid_credentials', 'wrong', { scheme: 'first' });

async function reasonOf(setting: Setting, request = requestWith()): Promise<string> {
  const { verdict } = await guardWith(setting).decide(request);
  return verdict === null ? 'nobody asked' : verdict.allowed ? 'allowed' : verdict.reason;
}

test('the first scheme that recognises a credential decides, and none is asked after it', async () => {
  const asked: string[] = [];
  const schemes = [scheme('first', passes, asked), scheme('second', proves, asked), scheme('third', fails, asked)];
  assert.equal(await reasonOf({ schemes }), 'allowed');
  assert.deepEqual(asked, ['first', 'second']);
});

test('a refusal is final: no later scheme may grant', async () => {
  const asked: string[] = [];
  const schemes = [scheme('first', async () => fails(), asked), scheme('second', proves, asked)];
  assert.equal(await reasonOf({ schemes }), 'invalid_credentials');
  assert.deepEqual(asked, ['first']);
});

test('policies are asked in order after the schemes, and the first objection decides', async () => {
  const asked: string[] = [];
  const setting = {
    schemes: [scheme('first', proves, asked)],
    policies: [
      policy('a', passes, asked),
      policy('b', async (principal, request, route) => objects(principal, request, route), asked),
      policy('c', passes, asked),
    ],
  };
  assert.equal(await reasonOf(setting), 'not_allowed');
  assert.deepEqual(asked, ['first', 'a', 'b']);
});

test('policies are not asked about a caller who is not proven', async () => {
  const asked: string[] = [];
  await reasonOf({ schemes: [scheme('first', fails)], policies: [policy('a', passes, asked)] });
  assert.deepEqual(asked, []);
});

test('an objection keeps the skew that the scheme measured', async () => {
  const setting = {
    schemes: [scheme('first', () => allow(aidb, 7))],
    policies: [policy('a', (principal) => denyPrincipal(principal, 'not_allowed', 'no'))],
  };
  const { verdict } = await guardWith(setting).decide(requestWith());
  assert.equal(verdict?.skewSeconds, 7);
});

test('what no scheme recognises is refused by what was presented', async () => {
  const schemes = [scheme('first', passes)];
  const cases: [Record<string, string[]>, string][] = [
    [{}, 'missing_credentials'],
    [{ authorization: ['Bearer cs_hs_x'] }, 'invalid_credentials'],
    [{ 'x-api-key': ['abc'] }, 'invalid_credentials'],
    [{ authorization: ['Basic abc'] }, 'malformed_credentials'],
    [{ authorization: ['Bearer a', 'Bearer b'] }, 'malformed_credentials'],
  ];
  for (const [headers, reason] of cases) assert.equal(await reasonOf({ schemes }, requestWith({ headers })), reason);
  const upstream = { schemes, authorization: 'upstream' } as const;
  assert.equal(
    await reasonOf(upstream, requestWith({ headers: { authorization: ['Basic abc'] } })),
    'missing_credentials',
  );
});

test('without any scheme everybody is refused', async () => {
  assert.equal(await reasonOf({}), 'missing_credentials');
});

test('on a public route nobody is asked, but a method without a rule is not public', async () => {
  const asked: string[] = [];
  const setting = {
    rules: [ruleFor('/embed', { access: 'public', methods: ['GET'] })],
    schemes: [scheme('first', passes, asked)],
  };
  const decision = await guardWith(setting).decide(requestWith());
  assert.deepEqual([decision.outcome, decision.verdict, asked], ['public', null, []]);
  assert.equal(await reasonOf(setting, requestWith({ method: 'DELETE' })), 'missing_credentials');
});

test('off computes nothing and passes', async () => {
  const asked: string[] = [];
  const setting = {
    mode: 'off' as const,
    schemes: [scheme('first', fails, asked)],
    policies: [policy('a', passes, asked)],
  };
  const guard = guardWith({ ...setting, options: { override: scheme('override', proves, asked) } });
  const decision = await guard.decide(requestWith());
  assert.deepEqual([decision.outcome, decision.mode, decision.verdict, asked], ['allow', 'off', null, []]);
});

test('report judges exactly as enforce does, and passes what it would refuse', async () => {
  const answers: (() => MaybePromise<Verdict | null>)[] = [
    proves,
    fails,
    passes,
    () => deny('expired', 'old'),
    () => {
      throw new Error('away');
    },
  ];
  for (const answer of answers) {
    const schemes = [scheme('first', answer)];
    const enforced = await guardWith({ schemes, mode: 'enforce' }).decide(requestWith());
    const reported = await guardWith({ schemes, mode: 'report' }).decide(requestWith());
    assert.deepEqual(reported.verdict, enforced.verdict);
    assert.equal(reported.outcome, enforced.outcome === 'deny' ? 'would_deny' : enforced.outcome);
  }
});

test('the mode of the route is asked for with its label and what the file gives it', async () => {
  const asked: unknown[] = [];
  const modes = { modeOf: (...question: unknown[]) => (asked.push(question), 'enforce' as const) };
  const rules = [ruleFor('/embed/:x', { mode: 'report' })];
  await guardWith({ rules, options: { modes } }).decide(requestWith({ path: '/embed/a' }));
  await guardWith({ rules, options: { modes } }).decide(requestWith({ path: '/other' }));
  assert.deepEqual(asked, [
    ['embeddings', '/embed/:x', 'report'],
    ['embeddings', '*', null],
  ]);
});

test('a service that is not known is refused, whatever the mode', async () => {
  const decision = await guardWith({ mode: 'off' }).decide(requestWith({ service: 'nobody' }));
  assert.equal(decision.outcome, 'deny');
  assert.ok(decision.verdict && !decision.verdict.allowed && decision.verdict.reason === 'no_such_service');
});

test('what cannot be decided is unavailable, never a bad credential, and decide never rejects', async () => {
  const outage = new Error('the store is away');
  const thrown = () => {
    throw outage;
  };
  const rejected = () => Promise.reject(outage);
  for (const away of [thrown, rejected]) {
    assert.equal(await reasonOf({ schemes: [scheme('first', away), scheme('second', proves)] }), 'unavailable');
    assert.equal(await reasonOf({ schemes: [scheme('first', proves)], policies: [policy('a', away)] }), 'unavailable');
    assert.equal(
      await reasonOf({ schemes: [scheme('first', proves)], options: { override: scheme('override', away) } }),
      'unavailable',
    );
    assert.equal(await reasonOf({ schemes: [scheme('first', fails)], options: { onRefused: away } }), 'unavailable');
  }
  for (const odd of [null, undefined, 'text', { code: 5 }]) {
    assert.equal(await reasonOf({ schemes: [scheme('first', () => Promise.reject(odd))] }), 'unavailable');
  }
});

test('a body that cannot be read is told apart from an outage', async () => {
  assert.equal(await reasonOf({ schemes: reading('body_too_large') }), 'too_large');
  assert.equal(await reasonOf({ schemes: reading('no_room_for_body') }), 'unavailable');
  assert.equal(await reasonOf({ schemes: reading('body_unavailable') }), 'bad_request');
});

test('a lookup of the service, its route or its mode that fails is unavailable too', async () => {
  assert.equal(await reasonOf({ options: { service: broken } }), 'unavailable');
  assert.equal(await reasonOf({ options: { modes: { modeOf: broken } } }), 'unavailable');
});

test('a ramp that cannot be asked is unavailable, whether the scheme answered at once or later', async () => {
  const modes = { modeOf: () => 'report' as const, enforcedFor: broken };
  for (const answer of [proves, fails, () => Promise.resolve(proves()), () => Promise.resolve(fails())])
    assert.equal(await reasonOf({ schemes: [scheme('first', answer)], options: { modes } }), 'unavailable');
});

test('the override bypasses schemes and policies; a wrong one is refused without asking them', async () => {
  const asked: string[] = [];
  const setting = {
    schemes: [scheme('first', fails, asked)],
    policies: [policy('a', (principal) => denyPrincipal(principal, 'not_allowed', 'no'), asked)],
  };
  const glass = { ...aidb, id: 'operator:break-glass' };
  const right = await guardWith({ ...setting, options: { override: scheme('override', () => allow(glass)) } }).decide(
    requestWith(),
  );
  assert.ok(right.verdict?.allowed && right.verdict.principal.id === 'operator:break-glass');
  const refused = scheme('override', () => deny('invalid_credentials', 'wrong', { presentedAs: 'override' }));
  assert.equal(await reasonOf({ ...setting, options: { override: refused } }), 'invalid_credentials');
  assert.deepEqual(asked, []);
  assert.equal(
    await reasonOf({ ...setting, options: { override: scheme('override', passes) } }),
    'invalid_credentials',
  );
  assert.deepEqual(asked, ['first']);
});

test('what is further behind the store than the route allows proves nobody, and only break-glass passes', async () => {
  let stale: number | null = null;
  const options: Partial<GuardOptions> = { staleSeconds: () => stale };
  const rules = [ruleFor('/never', { staleSecondsMax: 0 }), ruleFor('/open', { access: 'public' })];
  const guard = guardWith({ rules, schemes: [scheme('first', proves)], options });
  const outcomeOf = async (path: string, by = guard): Promise<string> =>
    (await by.decide(requestWith({ path }))).outcome;
  assert.deepEqual([await outcomeOf('/never'), await outcomeOf('/other')], ['allow', 'allow']);
  stale = 4.9;
  assert.deepEqual([await outcomeOf('/never'), await outcomeOf('/other')], ['deny', 'allow']);
  stale = 5.1;
  assert.deepEqual(
    [await outcomeOf('/never'), await outcomeOf('/other'), await outcomeOf('/open')],
    ['deny', 'deny', 'public'],
  );
  const { verdict } = await guard.decide(requestWith({ path: '/other' }));
  assert.ok(verdict && !verdict.allowed && verdict.reason === 'unavailable' && verdict.retryAfter === 1);
  const reporting = guardWith({ rules, schemes: [scheme('first', proves)], options, mode: 'report' });
  assert.equal(await outcomeOf('/other', reporting), 'would_deny');
  const breakGlass = guardWith({ options: { ...options, override: scheme('override', proves) } });
  assert.equal(await outcomeOf('/other', breakGlass), 'allow');
});

test('whoever ends while it is judged is denied, and what was judged at once is not asked about again', async () => {
  const asked: string[] = [];
  let fault: () => MaybePromise<'expired' | 'revoked' | null> = () => 'revoked';
  const options: Partial<GuardOptions> = {
    ended(principal) {
      asked.push(principal.id);
      return fault();
    },
  };
  assert.equal(await reasonOf({ schemes: [scheme('first', proves)], options }), 'allowed');
  assert.deepEqual(asked, []);
  const late = { schemes: [scheme('first', async () => proves())], options };
  assert.equal(await reasonOf(late), 'revoked');
  fault = async () => null;
  assert.equal(await reasonOf(late), 'allowed');
  fault = () => Promise.reject(new Error('broken'));
  assert.equal(await reasonOf(late), 'unavailable');
  assert.deepEqual(asked, [aidb.id, aidb.id, aidb.id]);
});

test('the mode that counts is the one in force once the verdict is there, and what was begun to be judged is', async () => {
  let mode: Mode = 'report';
  const options: Partial<GuardOptions> = { modes: { modeOf: () => mode } };
  const turning = (to: Mode) => [
    scheme('first', async () => {
      mode = to;
      return fails();
    }),
  ];
  const outcome = async (from: Mode, to: Mode): Promise<string> => {
    mode = from;
    return (await guardWith({ schemes: turning(to), options }).decide(requestWith())).outcome;
  };
  assert.equal(await outcome('report', 'enforce'), 'deny');
  assert.equal(await outcome('enforce', 'report'), 'would_deny');
  assert.equal(await outcome('enforce', 'off'), 'deny');
});

test('refusals of schemes may be turned into others, objections of policies and grants never', async () => {
  const seen: string[] = [];
  const onRefused: GuardOptions['onRefused'] = async (denied) => {
    seen.push(denied.reason);
    return deny('rate_limited', 'too many', { retryAfter: 5 });
  };
  assert.equal(await reasonOf({ schemes: [scheme('first', fails)], options: { onRefused } }), 'rate_limited');
  assert.equal(await reasonOf({ schemes: [scheme('first', passes)], options: { onRefused } }), 'rate_limited');
  assert.equal(await reasonOf({ options: { onRefused, override: scheme('override', fails) } }), 'rate_limited');
  assert.deepEqual(seen, ['invalid_credentials', 'missing_credentials', 'invalid_credentials']);
  const objecting = [policy('a', (principal) => denyPrincipal(principal, 'not_allowed', 'no'))];
  assert.equal(
    await reasonOf({ schemes: [scheme('first', proves)], policies: objecting, options: { onRefused } }),
    'not_allowed',
  );
  assert.equal(await reasonOf({ schemes: [scheme('first', proves)], options: { onRefused } }), 'allowed');
  assert.equal(seen.length, 3);
});

test('every decision is observed once, and what an observer throws is swallowed', async () => {
  const outcomes: string[] = [];
  const options: Partial<GuardOptions> = {
    observe(decision, request) {
      outcomes.push(`${decision.outcome} ${request.requestId} ${decision.durationMicros >= 0}`);
      throw new Error('full');
    },
  };
  const rules = [ruleFor('/embed', { access: 'public' })];
  const guard = guardWith({ rules, schemes: [scheme('first', proves)], options });
  await guard.decide(requestWith());
  await guard.decide(requestWith({ path: '/other' }));
  await guard.decide(requestWith({ service: 'nobody' }));
  assert.deepEqual(outcomes, ['public r1 true', 'allow r1 true', 'deny r1 true']);
});

test('a refusal challenges with every scheme of the service, each challenge once', () => {
  const schemes = [
    scheme('a', passes, [], 'Bearer'),
    scheme('b', passes, [], null),
    scheme('c', passes, [], 'Bearer'),
    scheme('d', passes, [], 'Countersign'),
  ];
  const guard = guardWith({ schemes });
  const denied = deny('missing_credentials', 'none');
  assert.equal(guard.refusal(denied, 'embeddings').headers['www-authenticate'], 'Bearer, Countersign');
  assert.equal(guard.refusal(denied, 'nobody').headers['www-authenticate'], undefined);
});

test('a credential that may be a new one is not called wrong while nothing new is heard', async () => {
  let unheard: string | null = null;
  const options: Partial<GuardOptions> = { unheard: () => unheard };
  const saying = async (details: DeniedDetails) => {
    const one = scheme('one', () => deny('invalid_credentials', 'no such key', { scheme: 'one', ...details }));
    const { verdict } = await guardWith({ schemes: [one], options }).decide(requestWith({}));
    return verdict?.allowed === false ? [verdict.reason, verdict.retryAfter] : null;
  };
  assert.deepEqual(await saying({ mayBeNew: true }), ['invalid_credentials', null]);
  unheard = 'the store is away';
  assert.deepEqual(await saying({ mayBeNew: true }), ['unavailable', 1]);
  assert.deepEqual(await saying({}), ['invalid_credentials', null]);
});
