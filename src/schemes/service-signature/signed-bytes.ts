const colon = 0x3a;

/** What is signed of one request. */
export interface Signed {
  readonly serviceId: string;
  readonly method: string;
  /** As it stands on the request line, with its query, which is not signed. */
  readonly target: string;
  /** Characters of the target up to its query. */
  readonly pathLength: number;
  readonly timestamp: string;
}

/** Bytes of the signed message. */
export function messageLength({ serviceId, method, pathLength, timestamp }: Signed): number {
  return serviceId.length + method.length + pathLength + timestamp.length + 3;
}

/** The bytes of signatureMessage() in Latin-1. A string put together of parts, to be taken apart again, is a sixth of verifying. */
export function writeMessage(
  { serviceId, method, target, pathLength, timestamp }: Signed,
  bytes: Uint8Array,
  at: number,
): void {
  const methodAt = writePart(serviceId, serviceId.length, bytes, at);
  const targetAt = writePart(method, method.length, bytes, methodAt);
  const timestampAt = writePart(target, pathLength, bytes, targetAt);
  write(timestamp, timestamp.length, bytes, timestampAt);
}

/** The part and a colon; returns where the next one begins. */
function writePart(text: string, length: number, bytes: Uint8Array, at: number): number {
  write(text, length, bytes, at);
  bytes[at + length] = colon;
  return at + length + 1;
}

function write(text: string, length: number, bytes: Uint8Array, at: number): void {
  for (let index = 0; index < length; index += 1) bytes[at + index] = text.charCodeAt(index);
}
