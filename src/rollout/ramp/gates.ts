import { rfc3339 } from '../../core/clock.ts';
import { rotateCommand } from '../../core/credential.ts';
import { unreadableWords } from '../../core/rollup.ts';
import type { Evidence, Stranger } from './evidence.ts';
import type { RampPlan } from './plan.ts';
import type { Culprit } from './state.ts';

/** Without evidence the answer is inconclusive, never success. */
export type Answer = 'success' | 'failed' | 'inconclusive';

export interface Judgement {
  readonly answer: Answer;
  /** A sentence for each gate that did not say yes. */
  readonly findings: readonly string[];
  readonly culprits: readonly Culprit[];
  readonly strangers: readonly Stranger[];
  /** Evidence.callers. */
  readonly callers: readonly string[];
}

/** What is kept must stay within a record of the store, or a step that failed could not be rolled back. */
const culpritsMax = 50;
const namedMax = 10;
/** Of callers whose clock or key is found wanting. */
const findingsMax = 20;

interface Finding {
  readonly answer: Exclude<Answer, 'success'>;
  readonly words: string;
}

/** Failed where one gate failed, else inconclusive where one cannot tell. */
export function judge(plan: RampPlan, evidence: Evidence): Judgement {
  const findings = [
    ...refusals(plan, evidence),
    ...servicesFindings(plan, evidence),
    ...answerFindings(plan, evidence),
    ...callerFindings(plan, evidence),
  ];
  const failed = findings.filter(({ answer }) => answer === 'failed');
  const answer = failed.length > 0 ? 'failed' : findings.length > 0 ? 'inconclusive' : 'success';
  return {
    answer,
    findings: (failed.length > 0 ? failed : findings).slice(0, findingsMax).map(({ words }) => words),
    culprits: [...evidence.refused, ...evidence.wouldBeRefused].slice(0, culpritsMax),
    strangers: evidence.strangers.slice(0, culpritsMax),
    callers: evidence.callers,
  };
}

function refusals(plan: RampPlan, evidence: Evidence): Finding[] {
  const { allowed, countedFrom, refused, refusedRequests, unreadable, wouldBeRefused } = evidence;
  const found: Finding[] = [];
  if (refusedRequests > plan.failureLimit)
    found.push({ answer: 'failed', words: `known callers are refused: ${culpritWords(refused)}` });
  if (wouldBeRefused.length > 0)
    found.push({
      answer: 'inconclusive',
      words: `known callers would be refused next: ${culpritWords(wouldBeRefused)}`,
    });
  if (unreadable > 0) found.push({ answer: 'inconclusive', words: unreadableWords(unreadable) });
  if (allowed < plan.minSamples)
    found.push({
      answer: 'inconclusive',
      words: `only ${allowed} requests of proven callers were allowed, of at least ${plan.minSamples}; they are counted from ${rfc3339(countedFrom)} on`,
    });
  return found;
}

function servicesFindings({ gates }: RampPlan, evidence: Evidence): Finding[] {
  const found: Finding[] = [];
  const { upstreamFailures, allowed, decisionMicros, health } = evidence;
  const rate = allowed === 0 ? 0 : upstreamFailures / allowed;
  if (gates.upstreamErrors !== null && rate > gates.upstreamErrors)
    found.push({
      answer: 'failed',
      words: `${percent(rate)} of the allowed requests failed at the service, of at most ${percent(gates.upstreamErrors)}`,
    });
  if (gates.decisionMicros !== null && decisionMicros === null)
    found.push({ answer: 'inconclusive', words: 'no decision on a proven caller was timed' });
  if (gates.decisionMicros !== null && decisionMicros !== null && decisionMicros > gates.decisionMicros)
    found.push({
      answer: 'failed',
      words: `deciding takes up to ${Math.round(decisionMicros)} µs, of at most ${gates.decisionMicros}`,
    });
  if (health !== null && health !== 'well') found.push({ answer: 'failed', words: `${gates.health}: ${health}` });
  return found;
}

function answerFindings({ gates }: RampPlan, { answers }: Evidence): Finding[] {
  const { answerMicros: max = null } = gates;
  if (max === null) return [];
  return answers.flatMap(({ service, micros }): Finding[] => {
    if (micros === null) return [{ answer: 'inconclusive', words: `no answer of ${service} was timed` }];
    if (micros <= max) return [];
    return [
      { answer: 'failed', words: `${service} takes up to ${millis(micros)} to answer, of at most ${millis(max)}` },
    ];
  });
}

function millis(micros: number): string {
  return `${Math.round(micros / 1000)} ms`;
}

function callerFindings({ gates }: RampPlan, { skews, endingKeys }: Evidence): Finding[] {
  const found: Finding[] = [];
  const max = gates.clockSkewSeconds;
  for (const { caller, seconds } of max === null ? [] : skews)
    if (Math.abs(seconds) > (max ?? 0))
      found.push({
        answer: 'inconclusive',
        words: `the clock of ${caller} is ${Math.abs(seconds).toFixed(0)} s ${seconds > 0 ? 'ahead' : 'behind'}`,
      });
  for (const { service, id, expiresAt, isLast } of gates.keyExpiry ? endingKeys : [])
    found.push({
      answer: 'inconclusive',
      words: isLast
        ? `the last key of ${service}, ${id}, ends ${rfc3339(expiresAt)}: ${rotateCommand({ id, service })}`
        : `key ${id} of ${service} is in use and ends ${rfc3339(expiresAt)}: see that it reads the one that it has besides`,
    });
  return found;
}

export function culpritWords(culprits: readonly Culprit[]): string {
  const words = culprits.slice(0, namedMax).map(({ caller, route, reason }) => `${caller} at ${route} (${reason})`);
  const more = culprits.length - namedMax;
  return words.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
