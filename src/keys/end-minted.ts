import type { TokenRecord } from '../core/credential.ts';
import type { Act } from '../core/event.ts';
import { tokenAct } from './key-act.ts';
import type { Tokens } from './tokens.ts';

/** Ends what this principal minted and is alive, each with an event. */
export async function endMinted(
  life: Tokens,
  minter: string,
  record: (act: Act) => Promise<void>,
): Promise<TokenRecord[]> {
  const ended: TokenRecord[] = [];
  for (const { tokenId } of await life.mintedBy(minter)) {
    const revoked = await life.revoke(tokenId);
    if (!revoked) continue;
    ended.push(revoked);
    await record(tokenAct('token.revoked', revoked));
  }
  return ended;
}
