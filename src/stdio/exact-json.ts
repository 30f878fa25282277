/** Node's own since version 22; its types do not have it yet. */
interface ExactJson {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

const json = JSON as unknown as ExactJson;
/** Of 16 characters, or with an exponent that may be beyond what a double has; wherever else they stand they only cost time. */
const suspects = /[-+.0-9eE]{16,}|[-+.0-9]{1,13}[eE][-+]?[0-9]{3,}/g;
const digitsMin = /(?:[0-9]\.?){16}|[eE]/;
/** What a program writes of a double is shorter, and a longer text is not worth a look. */
const doubleLengthMax = 32;
/**
 * Levels of arrays and objects. JSON.parse takes any number of them, but what is nested a few thousand deep cannot be written
 * again.
 */
const depthMax = 1000;

/**
 * What the text means, numbers that no double can hold as they were written; undefined where it is no JSON, or nested too deeply
 * to be passed on.
 */
export function parsed(text: string): unknown {
  try {
    // Asking about each value costs fifty times the reading, so that a list of embeddings would hold up everybody.
    const value = mayLose(text) ? json.parse(text, exact) : (JSON.parse(text) as unknown);
    // Each level takes two characters at least, so that most need no look.
    return text.length >= 2 * depthMax && isDeeper(value, depthMax) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Whether a number may be in the text that a double would change. */
function mayLose(text: string): boolean {
  for (const [token] of text.matchAll(suspects)) {
    if (!digitsMin.test(token)) continue;
    if (token.length > doubleLengthMax) return true;
    const written = String(Number(token));
    if (written !== token && digitsOf(written) !== digitsOf(token)) return true;
  }
  return false;
}

/** The significant ones, which are the same for 0.00001 and 1e-05. */
function digitsOf(number: string): string {
  return number
    .replace(/[eE].*/, '')
    .replace(/[-+.]/g, '')
    .replace(/^0+/, '')
    .replace(/0+$/, '');
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const part of Object.values(value)) if (isDeeper(part, levels - 1)) return true;
  return false;
}

function exact(_name: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value;
}
