import { fingerprint } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { keyMistakes } from '../key-mistakes.ts';
import { pathOfTarget, signatureMessage, timestampFault } from './format.ts';
import { messageMistakes, signatureForms } from './mistakes.ts';

/** A refused request as it arrived, what the server holds, and as much as the caller can say of what it signed. */
export interface SignatureQuestion {
  readonly serviceId: string;
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  /** As sent, whatever it is. */
  readonly timestamp: string;
  /** As sent, whatever it is; null when only messages or keys are to be compared. */
  readonly signature: string | null;
  /** The service's keys as the verifier holds them. */
  readonly secrets: readonly string[];
  /** '/embeddings' where a gateway stands in front; a caller may have left it out, or put it in twice. */
  readonly prefix?: string;
  /** The exact string that the caller says it signed. */
  readonly signedMessage?: string;
  /** `fingerprint` of the key that the caller says it signed with. */
  readonly signedWith?: string;
}

export interface SignatureAnswer {
  /** True when the signature is right for this request. */
  readonly matches: boolean;
  /** The exact string that should be signed; no secret in it. */
  readonly message: string;
  /** Of the keys held, in the order given: tells keys apart without showing them. */
  readonly fingerprints: readonly string[];
  /** The first difference in plain words, with what to do; null when it matches. */
  readonly difference: string | null;
}

/**
 * Says why a signature is not ours. "Invalid signature" is all that a caller may be told, and it costs people hours: so
 * the usual mistakes are made on purpose, alone and in pairs, until one gives the signature that arrived.
 */
export function explainSignature(question: SignatureQuestion): SignatureAnswer {
  const { serviceId, method, target, timestamp, secrets } = question;
  const message = signatureMessage(serviceId, method, pathOfTarget(target), timestamp);
  const fingerprints = secrets.map(fingerprint);
  const answer = (matches: boolean, difference: string | null) => ({ matches, message, fingerprints, difference });

  if (secrets.length === 0) return answer(false, `no service key of ${serviceId} is known here: import or create one`);
  if (question.signature !== null) {
    const found = findMistakes(question, message, question.signature);
    if (found !== null) return answer(found.length === 0, found.length === 0 ? null : found.join('; and '));
  }
  const told = question.signedMessage === undefined ? null : messageDifference(question.signedMessage, message);
  if (told !== null) return answer(false, told);
  const { signedWith } = question;
  if (signedWith !== undefined && !fingerprints.includes(signedWith))
    return answer(
      false,
      `the caller's key has the fingerprint ${signedWith}, ours ${fingerprints.join(' and ')}: it is another key`,
    );
  if (question.signature === null)
    return answer(signedWith !== undefined || question.signedMessage !== undefined, null);
  const fault = timestampFault(timestamp);
  if (fault !== null) return answer(false, `the timestamp ${fault}`);
  return answer(false, unknownMistake(question, message, fingerprints));
}

/** Null when no combination gives this signature; empty when it is right as it is. */
function findMistakes(question: SignatureQuestion, message: string, signature: string): string[] | null {
  const forms = signatureForms(signature);
  const messages = [{ message, words: '' }, ...messageMistakes(question)];
  const keys = question.secrets.flatMap((secret) => [{ key: Buffer.from(secret), words: '' }, ...keyMistakes(secret)]);
  let best: string[] | null = null;
  for (const { key, words: keyWords } of keys) {
    if (key.length === 0) continue;
    const mac = hmacSha256(key);
    for (const { message: candidate, words } of messages) {
      const hex = mac.bytes(Buffer.from(candidate)).toString('hex');
      const form = forms.find((one) => one.hex === hex);
      if (!form) continue;
      const mistakes = [words, keyWords, form.words].filter((text) => text !== '');
      if (best === null || mistakes.length < best.length) best = mistakes;
    }
  }
  return best;
}

/** The first part in which the caller's string differs from ours, in the order in which they are written. */
function messageDifference(theirs: string, ours: string): string | null {
  if (theirs === ours) return null;
  if (theirs.trimEnd() === ours)
    return 'the signed string ends in a line break or a space: sign it without (echo -n, printf)';
  const [their, our] = [partsOf(theirs), partsOf(ours)];
  if (!their || !our)
    return `the signed string is not of the form <service_id>:<METHOD>:<path>:<timestamp>: ${JSON.stringify(theirs)}`;
  for (const [index, part] of ['service id', 'method', 'path', 'timestamp'].entries()) {
    const [a, b] = [their[index] ?? '', our[index] ?? ''];
    if (a !== b)
      return `the ${part} differs: the caller signed ${JSON.stringify(a)}, the request has ${JSON.stringify(b)}${pathHint(a, b)}`;
  }
  return null;
}

function pathHint(signed: string, received: string): string {
  if (signed.toLowerCase() === received.toLowerCase()) return ' (letter case counts)';
  if (pathOfTarget(signed) === received) return ' (the query is not signed)';
  if (`${signed}/` === received || signed === `${received}/`) return ' (a trailing slash counts)';
  if (signed.startsWith('/') && received.endsWith(signed))
    return ' (the whole path of the request line is signed, a gateway’s prefix included)';
  return '';
}

/** A path may hold colons; id, method and timestamp hold none. */
function partsOf(message: string): readonly string[] | null {
  return /^([^:]*):([^:]*):(.*):([^:]*)$/s.exec(message)?.slice(1) ?? null;
}

function unknownMistake(question: SignatureQuestion, message: string, fingerprints: readonly string[]): string {
  const { signature, signedMessage, signedWith } = question;
  if (signature !== null && /^(?:[0-9a-f]{40}|[0-9a-f]{96}|[0-9a-f]{128})$/i.test(signature))
    return `the signature has ${signature.length} hex characters: it must be HMAC-SHA-256, which has 64`;
  if (signedMessage !== undefined && signedWith !== undefined)
    return 'string and key are ours, but the signature is not: it must be HMAC-SHA-256(key, string), in lower-case hex';
  const held = fingerprints.length === 1 ? 'fingerprint' : 'fingerprints';
  const compare = `compare the key's fingerprint with ours (${held} ${fingerprints.join(', ')}), then the signed string with "${message}"`;
  return `none of the usual mistakes gives this signature, so it is most likely made with another key: ${compare}`;
}
