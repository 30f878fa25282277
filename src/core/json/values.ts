/** Of the characters , : [ and { outside strings: so many values take a tenth of a second, and as many bytes of them can take ten. */
export const marksMax = 100_000;
/** Of an answer: ten times those of a call, since tools answer with tables. 16 MiB of values would take ten seconds to read. */
export const answerMarksMax = 10 * marksMax;

const [quote, backslash, comma, colon, bracket, brace] = Buffer.from('"\\,:[{');

/**
 * Whether a text of JSON has more values than anybody should be made to read. Told from the bytes, before anything is made of
 * them. What is no JSON is miscounted, and refused for that.
 */
export function hasTooManyValues(body: Uint8Array, max = marksMax): boolean {
  if (body.length <= max) return false;
  let marks = 0;
  let quoted = false;
  for (let at = 0; at < body.length && marks <= max; at += 1) {
    const byte = body[at];
    if (quoted) {
      if (byte === backslash) at += 1;
      else if (byte === quote) quoted = false;
    } else if (byte === quote) quoted = true;
    else if (byte === comma || byte === colon || byte === bracket || byte === brace) marks += 1;
  }
  return marks > max;
}
