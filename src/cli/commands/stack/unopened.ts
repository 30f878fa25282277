import type { KeyRecord } from '../../../core/credential.ts';
import { SealError, type Seal } from '../../../crypto/seal.ts';
import { MasterKeyError } from '../../../keys/sources/index.ts';

export interface Unopened {
  readonly wanting: readonly string[];
  readonly notes: readonly string[];
}

const namedMax = 10;

/**
 * Sealed secrets that the master key at hand does not open: a server with the same key does not serve them, and their callers are
 * unknown to it. Where there is no key at hand, the server may have been given one all the same.
 */
export function unopened(records: readonly KeyRecord[], sealOf: () => Seal): Unopened {
  const sealed = records.filter(({ kind }) => kind === 'hs');
  if (sealed.length === 0) return { wanting: [], notes: [] };
  try {
    const seal = sealOf();
    const shut = sealed.filter((record) => !opens(record, seal));
    return { wanting: shut.length === 0 ? [] : [shutWords(shut)], notes: [] };
  } catch (error) {
    if (!(error instanceof MasterKeyError)) throw error;
    if (!error.isMissing) return { wanting: [error.message], notes: [] };
    return { wanting: [], notes: [`whether sealed secrets open was not looked at: ${error.message}`] };
  }
}

function opens(record: KeyRecord, seal: Seal): boolean {
  try {
    seal.open(record.material ?? '', record);
    return true;
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}

function shutWords(shut: readonly KeyRecord[]): string {
  const names = shut.slice(0, namedMax).map(({ id, service }) => `${id} of ${service}`);
  const more = shut.length - names.length;
  const keys = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `sealed under another master key than the one here, so not served and their callers unknown: ${keys}. Give back the former COUNTERSIGN_MASTER_KEY, or revoke them and make new ones`;
}
