const table = new Int32Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  table[byte] = remainder;
}

/** CRC-32 (ISO 3309, as in zip and PNG) of ASCII text. Unsigned. */
export function crc32(text: string): number {
  let state = crcStart;
  for (let index = 0; index < text.length; index += 1) state = crcStep(state, text.charCodeAt(index));
  return crcEnd(state);
}

/** For those who look at every character anyway: start, one step for each byte, end. */
export const crcStart = -1;

export function crcStep(state: number, byte: number): number {
  return (state >>> 8) ^ (table[(state ^ byte) & 0xff] as number);
}

export function crcEnd(state: number): number {
  return (state ^ -1) >>> 0;
}
