import { z } from 'zod';
import { ed25519PrivateKey, ed25519PublicKey, ed25519PublicOf, ed25519PublicPem } from '../../crypto/ed25519.ts';

const end = z.strictObject({ sequence: z.number().int().positive(), hash: z.string().regex(/^[0-9a-f]{64}$/) });

const content = z.strictObject({
  format: z.literal('countersign-audit-head'),
  version: z.literal(1),
  /** Of the stack. */
  name: z.string().max(4096),
  /** RFC 3339. */
  time: z.string().max(64),
  events: end.nullable(),
  decisions: end.nullable(),
});

const signedHead = content.extend({
  /** Whose signature it is, as whoever wrote the file says; nothing is believed because of it. */
  public_key: z.string().max(1024),
  /** Ed25519, base64. */
  signature: z.string().max(128),
});

/** Where both chains ended at a time: to be kept where nobody reaches it who reaches the store. */
export type AuditHead = z.infer<typeof content>;
export type SignedHead = z.infer<typeof signedHead>;

export class HeadError extends Error {
  readonly code = 'audit_head';
}

export async function signHead(head: AuditHead, privatePem: string): Promise<SignedHead> {
  const signature = await ed25519PrivateKey(privatePem).sign(signedBytes(head));
  return { ...head, public_key: ed25519PublicOf(privatePem), signature: Buffer.from(signature).toString('base64') };
}

/** The head in a file, if the holder of this key signed it. Throws a HeadError. */
export async function readHead(text: string, publicPem: string): Promise<AuditHead> {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below.
  }
  const parsed = signedHead.safeParse(value);
  if (!parsed.success) throw new HeadError('it is no signed head of an audit');
  const { public_key, signature, ...head } = parsed.data;
  const right = await ed25519PublicKey(publicPem).verify(signedBytes(head), Buffer.from(signature, 'base64'));
  if (right) return head;
  const other = public_key.trim() === ed25519PublicPem(publicPem).trim() ? '' : ', and it names another key';
  throw new HeadError(`its signature is not that of the key it was held against${other}`);
}

/** What is signed: the fields in this order, behind a line that no other signature of ours begins with. */
function signedBytes({ format, version, name, time, events, decisions }: AuditHead): Uint8Array {
  const pair = (one: AuditHead['events']) => one && { sequence: one.sequence, hash: one.hash };
  const fields = { format, version, name, time, events: pair(events), decisions: pair(decisions) };
  return Buffer.from(`countersign audit head\n${JSON.stringify(fields)}`);
}
