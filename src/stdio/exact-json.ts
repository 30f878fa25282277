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

/** What the text means, numbers that no double can hold as they were written; undefined where it is no JSON. */
export function parsed(text: string): unknown {
  try {
    return longNumber.test(text) ? json.parse(text, exact) : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function exact(_name: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value;
}
