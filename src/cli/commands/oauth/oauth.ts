import { keptKeys, rotateSigningKey, signerOf } from '../../../authority/oauth/signing-keys.ts';
import type { StackConfig } from '../../../compose/config.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused } from '../../failure.ts';
import { columns } from '../../output.ts';
import { atWork, sealOf } from '../../workplace.ts';

export async function oauthKeys(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async ({ config, store }) => {
    requireServer(config);
    const now = systemClock();
    const kept = await keptKeys({ records: store.records, clock: systemClock });
    const signer = signerOf(kept, now);
    const lines = kept.map((key) => ({
      kid: key.kid,
      state: key === signer ? 'signs' : key.signsFrom > now ? 'comes next' : 'verifies',
      signs_from: rfc3339(key.signsFrom),
      expires_at: rfc3339(key.expiresAt),
    }));
    if (invocation.json) {
      out.json(lines);
      return EXIT.done;
    }
    if (lines.length === 0) out.talk('There are no keys yet: the server makes the first one when it is asked.');
    const rows = lines.map(({ kid, state, signs_from: from, expires_at: end }) => [kid, state, from, end]);
    if (rows.length > 0)
      for (const line of columns(['KEY', 'STATE', 'SIGNS FROM', 'VERIFIES UNTIL'], rows, out)) out.line(line);
    return EXIT.done;
  });
}

export async function oauthRotate(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const withdraw = invocation.flag('withdraw');
  return atWork(invocation, async ({ config, store, record }) => {
    requireServer(config);
    if (invocation.dryRun) {
      const gone = withdraw ? await keptKeys({ records: store.records, clock: systemClock }) : [];
      if (invocation.json) out.json({ dry_run: true, withdrawn: gone.map(({ kid }) => kid) });
      else out.line(`would make  a new signing key${gone.map(({ kid }) => `, and withdraw ${kid}`).join('')}`);
      return EXIT.done;
    }
    const seal = sealOf(config, invocation);
    const options = { records: store.records, seal, clock: systemClock };
    const { kid, signsFrom, withdrawn } = await rotateSigningKey(options, withdraw);
    await record({ type: 'oauth.key.rotated', subject: kid, detail: { withdrawn } });
    if (invocation.json) out.json({ kid, signs_from: rfc3339(signsFrom), withdrawn });
    else {
      out.line(`made  ${kid}, which signs from ${rfc3339(signsFrom)}`);
      for (const gone of withdrawn) out.line(`withdrawn  ${gone}`);
    }
    return EXIT.done;
  });
}

function requireServer({ oauth }: StackConfig): void {
  if (!oauth?.server)
    throw refused('the configuration has no authorization server', 'Write oauth: { server: {} } at its top.');
}
