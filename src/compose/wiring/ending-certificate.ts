import { readFileSync } from 'node:fs';
import { rfc3339 } from '../../core/clock.ts';
import { certificateLife } from '../../crypto/certificate-life.ts';
import { agoWords, spanWords } from '../../keys/use-words.ts';

const soonSecondsMax = 14 * 86_400;
const lastDay = 86_400;

/** A certificate that should have been renewed by now. */
export interface EndingCertificate {
  /** What was told once is told again when it has become worse. */
  readonly step: 'soon' | 'last_day' | 'ended';
  readonly words: string;
}

/**
 * Null while it lasts. Whoever renews by themselves does so when a third of its life is left: what has less than a quarter, two weeks
 * at most, was forgotten.
 */
export function endingCertificate(pem: string, path: string, now: number): EndingCertificate | null {
  const { from, until } = certificateLife(pem);
  const left = until - now;
  if (left <= 0)
    return {
      step: 'ended',
      words: `the certificate in ${path} ended ${agoWords(-left)} (${rfc3339(until)}): renew it`,
    };
  if (left > Math.min(soonSecondsMax, (until - from) / 4)) return null;
  return {
    step: left < lastDay ? 'last_day' : 'soon',
    words: `the certificate in ${path} ends in ${spanWords(left)} (${rfc3339(until)}): renew it`,
  };
}

/** The same of a file, as far as it can be read here: some are mounted for the server alone, which says what is wrong with them. */
export function endingCertificateIn(path: string, now: number): string | null {
  try {
    return endingCertificate(readFileSync(path, 'utf8'), path, now)?.words ?? null;
  } catch {
    return null;
  }
}
