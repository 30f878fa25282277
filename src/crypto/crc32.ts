const table = new Uint32Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  table[byte] = remainder >>> 0;
}

/** CRC-32 (ISO 3309, as in zip and PNG) of the first `length` characters' codes; ASCII only. Unsigned. */
export function crc32(text: string, length: number = text.length): number {
  let crc = 0xffffffff;
  for (let index = 0; index < length; index += 1)
    crc = (crc >>> 8) ^ (table[(crc ^ text.charCodeAt(index)) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}
