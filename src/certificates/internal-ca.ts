import type { Clock } from '../core/clock.ts';
import type { RecordStore } from '../core/record.ts';
import type { Seal, SealContext, SealedRecords } from '../crypto/seal.ts';
import { CertificateError } from './certificate-error.ts';
import { issueLeaf, issueRoot, type Issued, type LeafOptions } from './issue.ts';
import { mayName, type PermittedNames } from './name-constraints.ts';

/** The authority of a stack that has none. Its keys are sealed in the store. */
export interface InternalCa {
  /** Makes the first authority; with `rotate` one beside it, which is trusted at once and issues after `finishRotation`. */
  create(settings: AuthoritySettings, rotate: boolean): Promise<Authority>;
  /** The newest authority issues from now on. */
  finishRotation(): Promise<Authority>;
  /** The authority that issues; null for none. */
  current(): Promise<Authority | null>;
  /** Those that are trusted, oldest first. */
  authorities(): Promise<Authority[]>;
  /** Rejects with a CertificateError. */
  issue(request: CertificateRequest): Promise<Issued>;
}

export interface AuthoritySettings {
  readonly name: string;
  readonly trustDomain: string;
  readonly permitted: PermittedNames;
  readonly seconds: number;
}

export interface Authority {
  readonly serial: string;
  readonly name: string;
  readonly trustDomain: string;
  readonly permitted: PermittedNames;
  /** PEM. */
  readonly certificate: string;
  /** Epoch seconds. */
  readonly notAfter: number;
  readonly createdAt: number;
}

export interface CertificateRequest extends Pick<LeafOptions, 'service' | 'hosts' | 'usage'> {
  readonly seconds: number;
}

/** What is kept of a certificate; never its key. */
export interface CertificateRecord {
  readonly service: string;
  readonly hosts: readonly string[];
  readonly usage: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly authority: string;
}

type StoredAuthority = Omit<Authority, 'serial'> & { readonly sealedKey: string };

export const authorityKind = 'certificate-authority';
export const certificateKind = 'certificate';
const currentKind = 'issuing-authority';
const currentId = 'current';
/** Clocks of other machines may be behind. */
const backdatedSeconds = 60;

export interface InternalCaOptions {
  readonly records: RecordStore;
  /** Asked for only where a key is sealed or opened. */
  readonly seal: () => Seal;
  readonly clock: Clock;
}

export const sealedAuthorities: SealedRecords = {
  kind: authorityKind,
  places: [['sealedKey']],
  context: (serial, value) => contextOf(serial, (value as StoredAuthority).trustDomain),
};

function contextOf(serial: string, trustDomain: string): SealContext {
  return { id: serial, service: trustDomain, kind: authorityKind };
}

export function internalCa({ records, seal, clock }: InternalCaOptions): InternalCa {
  const now = (): number => Math.floor(clock());

  async function authorities(): Promise<(Authority & { readonly sealedKey: string })[]> {
    const found = await records.list(authorityKind, now());
    return found
      .map(({ id, value }) => ({ ...(value as unknown as StoredAuthority), serial: id }))
      .sort((a, b) => a.createdAt - b.createdAt);
  }

  async function currentStored() {
    const pointer = await records.get(currentKind, currentId, now());
    const serial = (pointer?.value as { serial?: string } | undefined)?.serial;
    const all = await authorities();
    return { pointer, authority: all.find((one) => one.serial === serial) ?? null, all };
  }

  async function pointTo(serial: string, expected: string | null): Promise<void> {
    const entry = { kind: currentKind, id: currentId, value: { serial }, expiresAt: null };
    if ((await records.put(entry, expected, now())) === null)
      throw new CertificateError('ca_changed', 'somebody else changed the authority at the same moment');
  }

  return {
    async create({ name, trustDomain, permitted, seconds }, rotate) {
      const { pointer, authority: before, all } = await currentStored();
      if (before && !rotate) throw new CertificateError('ca_exists', `there is an authority already: ${before.name}`);
      if (rotate && all.some(({ createdAt }) => before !== null && createdAt > before.createdAt))
        throw new CertificateError('ca_exists', 'a new authority is waiting already');
      const at = now();
      const root = await issueRoot(name, permitted, { notBefore: at - backdatedSeconds, notAfter: at + seconds });
      const { serial, certificate, notAfter } = root;
      // Never the same as that of another: it decides which one is the newest.
      const createdAt = Math.max(at, ...all.map((one) => one.createdAt + 1));
      const made = { name, trustDomain, permitted, certificate, notAfter, createdAt };
      const value = { ...made, sealedKey: seal().seal(root.privateKey, contextOf(serial, trustDomain)) };
      await records.put(
        { kind: authorityKind, id: serial, value: JSON.parse(JSON.stringify(value)), expiresAt: notAfter },
        null,
        at,
      );
      if (!rotate || before === null) await pointTo(serial, pointer?.revision ?? null);
      return { ...made, serial };
    },

    async finishRotation() {
      const { pointer, authority: before, all } = await currentStored();
      const next = all.at(-1);
      if (!next || !before || next.serial === before.serial)
        throw new CertificateError('ca_missing', 'no new authority is waiting; make one with: countersign ca rotate');
      await pointTo(next.serial, pointer?.revision ?? null);
      return shown(next);
    },

    async current() {
      const { authority } = await currentStored();
      return authority && shown(authority);
    },

    authorities: async () => (await authorities()).map(shown),

    async issue({ service, hosts, seconds, usage = 'both' }) {
      const { authority } = await currentStored();
      if (!authority)
        throw new CertificateError('ca_missing', 'there is no authority yet; make one with: countersign ca init');
      const stranger = hosts.find((host) => !mayName(authority.permitted, host));
      if (stranger !== undefined)
        throw new CertificateError(
          'not_permitted',
          `${stranger} is no name that the authority ${authority.name} may put into certificates`,
        );
      const { serial, trustDomain, certificate, sealedKey } = authority;
      const privateKey = seal().open(sealedKey, contextOf(serial, trustDomain));
      const at = now();
      const issued = await issueLeaf(
        { certificate, privateKey },
        { service, hosts, usage, trustDomain, notBefore: at - backdatedSeconds, notAfter: at + seconds },
      );
      const { notBefore, notAfter } = issued;
      const record: CertificateRecord = { service, hosts, usage, notBefore, notAfter, authority: serial };
      const value = JSON.parse(JSON.stringify(record)) as never;
      // Before anybody has it: what is not known could not be revoked.
      await records.put({ kind: certificateKind, id: issued.serial, value, expiresAt: notAfter }, null, at);
      return issued;
    },
  };
}

function shown({ serial, name, trustDomain, permitted, certificate, notAfter, createdAt }: Authority): Authority {
  return { serial, name, trustDomain, permitted, certificate, notAfter, createdAt };
}

/** What verifiers are given to trust. */
export function bundleOf(authorities: readonly Authority[]): string {
  return authorities.map(({ certificate }) => certificate).join('');
}
