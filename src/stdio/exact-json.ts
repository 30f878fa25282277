/** Node's own since version 22; its types do not have it yet. */
interface ExactJson {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

const json = JSON as unknown as ExactJson;
const longNumber = /[0-9]{16}/;
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
    const value = longNumber.test(text) ? json.parse(text, exact) : (JSON.parse(text) as unknown);
    // Each level takes two characters at least, so that most need no look.
    return text.length >= 2 * depthMax && isDeeper(value, depthMax) ? undefined : value;
  } catch {
    return undefined;
  }
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
