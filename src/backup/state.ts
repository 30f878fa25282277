import { z } from 'zod';
import type { KeyUse, TokenRecord, KeyRecord } from '../core/credential.ts';
import type { ModeRow } from '../core/store.ts';
import type { JsonValue, RecordEntry } from '../core/record.ts';

/** A key with its HMAC secret in the clear, so that it can be sealed anew with another stack's master key. */
export interface HeldKey extends KeyRecord {
  /** Null but for kind hs; there `material` is null instead. */
  readonly secret: string | null;
}

/** All that a stack cannot do without, and nothing that ends by itself within minutes: limits, one-time values, leases. */
export interface State {
  /** Oldest first. */
  readonly keys: readonly HeldKey[];
  /** Digests that are dead in every key source. */
  readonly revocations: readonly string[];
  /** The active ones: any other is refused for not being there. */
  readonly tokens: readonly TokenRecord[];
  readonly modes: readonly ModeRow[];
  /** Their sealed texts in the clear, as the secrets of keys are. */
  readonly records: readonly RecordEntry[];
  readonly uses: readonly KeyUse[];
}

const passing: ReadonlySet<string> = new Set([
  'lease',
  'session',
  'oauth-session',
  'oauth-session-uid',
  'oauth-interaction',
  'oauth-device-code',
  'oauth-user-code',
]);

/** Whether records of this kind end within minutes or hours, and are of nobody who is there when a backup is taken back. */
export function isPassing(kind: string): boolean {
  return passing.has(kind);
}

/** Where the decisions stood. They themselves are evidence, not state: `audit export` keeps those. */
export interface AuditHead {
  readonly sequence: number;
  /** Epoch seconds. */
  readonly time: number;
  readonly requestId: string;
}

/** One more whenever what is in a backup means something else. */
export const backupVersion = 2;

export interface Backup {
  readonly format: 'countersign-backup';
  readonly version: typeof backupVersion;
  /** Of the stack. */
  readonly name: string;
  /** Epoch seconds. */
  readonly madeAt: number;
  readonly state: State;
  /** Null while nothing was decided yet. */
  readonly auditHead: AuditHead | null;
  /** The SOPS bundle as it is, encrypted to its own recipients; null where there is none. */
  readonly bundle: string | null;
}

export class BackupError extends Error {
  readonly code: 'backup_invalid' | 'wrong_key' | 'too_large';
  constructor(code: BackupError['code'], message: string) {
    super(message);
    this.name = 'BackupError';
    this.code = code;
  }
}

const text = z.string().max(4096);
/** Epoch seconds, as far as they can be written as a date. */
const time = z.number().nonnegative().max(8.64e12);
const strings = z.array(text).max(1000);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const key = z.strictObject({
  id: z.string().regex(/^[0-9A-Za-z]{10}$/),
  service: text,
  kind: z.enum(['sk', 'hs', 'ed25519']),
  digest,
  material: text.nullable(),
  lastFour: text,
  imported: z.boolean(),
  scopes: strings,
  allowedIps: strings,
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
  replaces: text.nullable(),
  pending: z.boolean(),
  secret: text.nullable(),
});

const token = z.strictObject({
  tokenId: text,
  tokenHash: digest,
  createdAt: time,
  expiresAt: time,
  revokedAt: time.nullable(),
  scopes: strings,
  allowedIps: strings,
  clientId: text.nullable(),
  metadata: z.record(z.string(), z.unknown()),
  createdBy: text,
});

const mode = z.strictObject({ scope: text, mode: z.enum(['off', 'report', 'enforce']), setAt: time, setBy: text });
const record = z.strictObject({
  kind: text,
  id: text,
  value: z.json() as z.ZodType<JsonValue>,
  expiresAt: time.nullable(),
});
const use = z.strictObject({
  credentialId: text,
  caller: text,
  clientAddress: text,
  firstUsed: time,
  lastUsed: time,
  count: z.number().int().positive(),
});

const backup = z.strictObject({
  format: z.literal('countersign-backup'),
  version: z.literal(backupVersion),
  name: text,
  madeAt: time,
  state: z.strictObject({
    keys: z.array(key),
    revocations: z.array(digest),
    tokens: z.array(token),
    modes: z.array(mode),
    records: z.array(record),
    uses: z.array(use),
  }),
  auditHead: z.strictObject({ sequence: z.number(), time, requestId: text }).nullable(),
  bundle: z.string().nullable(),
});

/** Where it is no backup; null for one that is. */
export function backupFault(value: unknown): string | null {
  const parsed = backup.safeParse(value);
  return parsed.success ? null : (parsed.error.issues[0]?.path.join('.') ?? '');
}

/** Throws a BackupError that says where it is wrong and never what stands there. */
export function parseBackup(json: string): Backup {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new BackupError('backup_invalid', 'it opens, but what is in it is no backup (not JSON)');
  }
  const version = typeof value === 'object' && value !== null && 'version' in value ? value.version : backupVersion;
  if (version !== backupVersion)
    throw new BackupError(
      'backup_invalid',
      `it is of version ${typeof version === 'number' ? version : 'unknown'}, and this program reads version ${backupVersion}: restore it with the program that made it`,
    );
  const fault = backupFault(value);
  if (fault === null) return value as Backup;
  throw new BackupError('backup_invalid', `it opens, but what is in it is no backup (at "${fault}")`);
}
