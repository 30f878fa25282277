import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** A password as it is kept: scrypt (RFC 7914) with the parameters that it was made with. Salt and hash in base64url. */
export interface PasswordHash {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: string;
  readonly hash: string;
}

export type ScryptCost = Pick<PasswordHash, 'cost' | 'blockSize' | 'parallelization'>;

/** 64 MiB, and as much work as N = 2^17 with p = 1 in half the memory. */
export const scryptCost: ScryptCost = { cost: 2 ** 16, blockSize: 8, parallelization: 2 };

const hashBytes = 32;
const saltBytes = 16;
/** Each who waits is a request that is held; beyond it whoever comes is turned away. */
const waitingMax = 64;
const memoryMax = 256 * 1024 * 1024;

/** Thrown where too many wait to be hashed; compared by code. */
export class HashingBusy extends Error {
  readonly code = 'hashing_busy';
  constructor() {
    super('too many passwords wait to be looked at');
    this.name = 'HashingBusy';
  }
}

export async function hashPassword(password: string, cost: ScryptCost): Promise<PasswordHash> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, salt, cost);
  const { blockSize, parallelization } = cost;
  return {
    cost: cost.cost,
    blockSize,
    parallelization,
    salt: salt.toString('base64url'),
    hash: hash.toString('base64url'),
  };
}

export async function isPassword(password: string, kept: PasswordHash): Promise<boolean> {
  const made = await derive(password, Buffer.from(kept.salt, 'base64url'), kept);
  const known = Buffer.from(kept.hash, 'base64url');
  return made.length === known.length && timingSafeEqual(made, known);
}

let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/** Off the main thread, and one at a time: several at once would take as much memory each. */
function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  if (waiting >= waitingMax) return Promise.reject(new HashingBusy());
  waiting += 1;
  const made = last.then(() => run(password, salt, cost)).finally(() => (waiting -= 1));
  last = made.catch(() => undefined);
  return made;
}

function run(password: string, salt: Buffer, { cost, blockSize, parallelization }: ScryptCost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // One person's keyboard may write an accent in two ways (NIST SP 800-63B §5.1.1.2).
    const text = password.normalize('NFKC');
    scrypt(text, salt, hashBytes, { cost, blockSize, parallelization, maxmem: memoryMax }, (error, hash) =>
      error ? reject(error) : resolve(hash),
    );
  });
}
