import type { StackConfig } from '../../compose/config.ts';
import { eraseRecord, everyRecord, type StoredRecord } from '../../core/record.ts';
import { StoreError } from '../../core/store.ts';
import { takeBack, type TakingBack } from '../../keys/tokens/issued-tokens.ts';

const GRANT = 'oauth-grant';
/** Where no server is configured, tokens of one that was are meant, however long they live. */
const accessTokenSecondsElse = 86_400;

export interface EndingGrants extends Pick<TakingBack, 'records' | 'clock'> {
  readonly config: Pick<StackConfig, 'oauth'>;
}

/** What a client was granted, or what an operator let in. */
export async function grantsOf(
  of: { readonly clientId: string } | { readonly accountId: string },
  { records, clock }: Pick<TakingBack, 'records' | 'clock'>,
): Promise<StoredRecord[]> {
  const [[name, id] = []] = Object.entries(of);
  return (await everyRecord(records, GRANT, clock())).filter(
    ({ value }) => (value as Readonly<Record<string, unknown>>)[name ?? ''] === id,
  );
}

/**
 * Whatever this operator let in is let in no more: refresh tokens at once, access tokens as soon as the news is heard. Called once the
 * account has changed, so that nobody goes on granting in a login of before. Resolves to how many grants.
 */
export async function endGrantsOf(operator: string, { config, records, clock }: EndingGrants): Promise<number> {
  const accessTokenSeconds = config.oauth?.server?.accessTokenSeconds ?? accessTokenSecondsElse;
  const grants = await grantsOf({ accountId: operator }, { records, clock });
  for (const { id } of grants) {
    // First, so that whoever widens the grant at this moment takes it back.
    await takeBack({ grantDigest: id }, { records, clock, accessTokenSeconds });
    if (!(await eraseRecord(records, GRANT, id, clock())))
      throw new StoreError('store_unavailable', 'a grant is being written by others; try again');
  }
  return grants.length;
}
