import { resolve } from 'node:path';
import { signHead, type AuditHead } from '../../../audit/chain/head.ts';
import { auditKeyMade } from '../../../compose/audit-key.ts';
import { systemClock, rfc3339 } from '../../../core/clock.ts';
import type { ChainHead } from '../../../core/event.ts';
import type { Invocation } from '../../command.ts';
import { EXIT } from '../../failure.ts';
import { replaceFile } from '../../replace-file.ts';
import { atWork } from '../../workplace.ts';

/** Where the audit ends now, signed. */
export async function auditHead(invocation: Invocation): Promise<number> {
  const { out, env } = invocation;
  const file = invocation.text('out');
  return atWork(invocation, async ({ config, store }) => {
    const end = (head: ChainHead | null) => head && { sequence: head.sequence, hash: head.hash };
    // The decisions' chain first: what the events say of it is then never behind.
    const decisions = end(await store.events.head('decisions'));
    const head: AuditHead = {
      format: 'countersign-audit-head',
      version: 1,
      name: config.name,
      time: rfc3339(systemClock()),
      events: end(await store.events.head('events')),
      decisions,
    };
    const signed = await signHead(head, await auditKeyMade(config, env));
    if (file === null) out.json(signed);
    else {
      replaceFile(resolve(file), `${JSON.stringify(signed, null, 2)}\n`, 0o644);
      out.talk(`written to ${file}; keep it where nobody reaches it who reaches the store`);
    }
    return EXIT.done;
  });
}
