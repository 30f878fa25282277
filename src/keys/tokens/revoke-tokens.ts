import type { TokenRecord } from '../../core/credential.ts';
import type { Act } from '../../core/event.ts';
import { tokenAct } from '../key-act.ts';
import type { Tokens } from './tokens.ts';

/** Ends these tokens, each with an event; resolves to those that there were. */
export async function revokeTokens(
  life: Tokens,
  tokens: readonly TokenRecord[],
  record: (act: Act) => Promise<void>,
): Promise<TokenRecord[]> {
  const ended: TokenRecord[] = [];
  for (const { tokenId } of tokens) {
    const revoked = await life.revoke(tokenId);
    if (!revoked) continue;
    ended.push(revoked);
    await record(tokenAct('token.revoked', revoked));
  }
  return ended;
}
