export const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Big-endian base62, left-padded with '0'. Throws when the value needs more than `width` characters. */
export function toBase62(value: bigint, width: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = base62.charAt(Number(rest % 62n)) + text;
  if (text.length > width) throw new RangeError(`the value needs more than ${width} base62 characters`);
  return text.padStart(width, '0');
}
