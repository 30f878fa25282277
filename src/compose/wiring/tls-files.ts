import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { followFiles, type Following } from '../../keys/sources/follow-files.ts';
import { readSecretFile } from '../../keys/sources/read-secret.ts';
import { systemClock } from '../../core/clock.ts';
import { messageOf } from '../../core/message-of.ts';
import { endingCertificate } from './ending-certificate.ts';

/** Absolute paths of PEM files; null for none. */
export interface TlsFiles {
  readonly cert: string | null;
  readonly key: string | null;
  readonly ca: string | null;
}

/** What the files hold, taken up as they change. */
export interface FollowedTls {
  /** The last that could be used; null while nothing could. */
  readonly options: SecureContextOptions | null;
  /** What is wrong with the files as they are now; '' for nothing. */
  readonly fault: string;
  close(): void;
}

export interface FollowTlsOptions {
  readonly files: TlsFiles;
  /** For messages: 'tls'. */
  readonly what: string;
  readonly onChange: (options: SecureContextOptions) => void;
  readonly onWarning: (text: string) => void;
  readonly pollMillis?: number;
}

const fileBytesMax = 1_048_576;

/**
 * Certificate and key are two files, and there is a moment in which only one of them is new: until both fit, the last that did stay
 * in use.
 */
export function followTls({ files, what, onChange, onWarning, pollMillis = 5000 }: FollowTlsOptions): FollowedTls {
  let options: SecureContextOptions | null = null;
  let seen = '';
  let fault = '';
  let told: string | null = null;

  /** Nothing else tells of it before clients refuse it. */
  function tellOfEnd({ cert }: { readonly cert?: string }): void {
    const ending =
      files.cert === null || cert === undefined ? null : endingCertificate(cert, files.cert, systemClock());
    if (ending && ending.step !== told) onWarning(`${what}: ${ending.words}`);
    told = ending?.step ?? null;
  }

  function look(): void {
    try {
      const read = {
        ...(files.cert !== null && { cert: certificates(files.cert) }),
        ...(files.key !== null && { key: secretFile(files.key) }),
        ...(files.ca !== null && { ca: certificates(files.ca) }),
      };
      const now = JSON.stringify(read);
      // Throws for what is no certificate, and for a key of another one.
      if (now !== seen) createSecureContext(read);
      fault = '';
      tellOfEnd(read);
      if (now === seen) return;
      seen = now;
      options = read;
      onChange(read);
    } catch (error) {
      const words = `${what}: ${messageOf(error)}`;
      if (words !== fault && options !== null) onWarning(`${words}; what was read before stays in use`);
      fault = words;
    }
  }

  look();
  const followed: Following[] = [];
  for (const path of Object.values(files) as (string | null)[]) {
    if (path === null) continue;
    const following = followFiles({ pattern: path, pollMillis, onLook: look });
    following.look();
    followed.push(following);
  }
  return {
    get options() {
      return options;
    },
    get fault() {
      return fault;
    },
    close() {
      for (const following of followed) following.close();
    },
  };
}

/** To node:tls an empty text is none at all: the authorities that Node trusts would count, which are those of all the web. */
function certificates(path: string): string {
  try {
    if (statSync(path).size > fileBytesMax) throw new Error('is larger than 1 MiB');
    const text = readFileSync(path, 'utf8');
    if (!/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/.test(text)) throw new Error('holds no certificate');
    return text;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${path}: ${code === undefined ? message : `cannot be read (${code})`}`, { cause: error });
  }
}

function secretFile(path: string): string {
  const reading = readSecretFile(path);
  if (!reading.ok) throw new Error(reading.fault);
  return reading.text;
}
