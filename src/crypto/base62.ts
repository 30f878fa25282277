export const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Big-endian base62, left-padded with '0'. Throws when the value needs more than `width` characters. */
export function toBase62(value: bigint, width: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = base62.charAt(Number(rest % 62n)) + text;
  if (text.length > width) throw new RangeError(`the value needs more than ${width} base62 characters`);
  return text.padStart(width, '0');
}

const values = new Int8Array(128).fill(-1);
for (const [value, character] of [...base62].entries()) values[character.charCodeAt(0)] = value;

/** What the character with this code stands for, 0 to 61; -1 when it is none of base62. */
export function base62Value(code: number): number {
  return code < 128 ? (values[code] as number) : -1;
}
