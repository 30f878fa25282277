import { ADMIN_TOKENS } from '../../../authority/caller.ts';
import { endGrantsOf } from '../../../authority/oauth/kept-grants.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import { printable } from '../../../core/text/printable.ts';
import {
  accounts,
  isOpenidName,
  nameFault,
  ROLES,
  type Account,
  type Accounts,
  type Role,
} from '../../../operators/account.ts';
import { appointed, withLoginCode } from '../../../operators/appoint.ts';
import { revokeTokens } from '../../../keys/tokens/revoke-tokens.ts';
import { tokens } from '../../../keys/tokens/tokens.ts';
import { shellWord } from '../../../core/text/shell-word.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { listenOrigin } from '../../listen-origin.ts';
import { columns } from '../../output.ts';
import { atUrgentWork, atWork, type Workplace } from '../../workplace.ts';

export async function operatorsCreate(invocation: Invocation): Promise<number> {
  const name = nameOf(invocation);
  const role = roleOf(invocation) ?? 'viewer';
  return atWork(invocation, async (place) => {
    if (invocation.dryRun) return sayDryRun(invocation, 'make', name);
    const { account, loginCode } = appointed(name, role, systemClock());
    const added = await accountsOf(place).add(account);
    if (!added)
      throw refused(
        `there is an operator ${name} already`,
        `A new code for the first login: countersign operators reset ${shellWord(name)}`,
      );
    await place.record({ type: 'operator.created', subject: name, detail: { role } });
    return sayCode(invocation, place, account, loginCode);
  });
}

export async function operatorsReset(invocation: Invocation): Promise<number> {
  const name = knownNameOf(invocation);
  const role = roleOf(invocation);
  return atWork(invocation, async (place) => {
    if (invocation.dryRun) return sayDryRun(invocation, 'reset', name);
    if (isOpenidName(name)) return resetOpenid(invocation, place, name);
    let loginCode = '';
    let wasOperator = false;
    const account = await accountsOf(place).change(name, (now) => {
      wasOperator = now.role === 'operator';
      const next = withLoginCode(now, systemClock());
      loginCode = next.loginCode;
      return { ...next.account, role: role ?? now.role };
    });
    if (!account) throw unknown(name);
    await place.record({ type: 'operator.reset', subject: name, detail: { role: account.role } });
    // A viewer could not have made them.
    if (wasOperator && account.role === 'viewer') await endTokens(place, name, invocation);
    await endGrants(place, name, invocation);
    return sayCode(invocation, place, account, loginCode);
  });
}

/** Open again, and whoever the provider calls so next: there is no code, since nobody logs in to it here. */
async function resetOpenid(invocation: Invocation, place: Workplace, name: string): Promise<number> {
  if (invocation.text('role') !== null)
    throw usage('--role is what the provider says of an account from it', 'See operators.openid.roles.');
  const account = await accountsOf(place).change(name, (now) =>
    now.openid ? { ...now, disabled: false, epoch: now.epoch + 1, openid: { ...now.openid, subject: null } } : null,
  );
  if (!account) throw unknown(name);
  await place.record({ type: 'operator.reset', subject: name, detail: { role: account.role } });
  await endGrants(place, name, invocation);
  if (invocation.json) invocation.out.json({ name, role: account.role });
  else invocation.out.line(`reset  ${name}`);
  return EXIT.done;
}

export async function operatorsDisable(invocation: Invocation): Promise<number> {
  const name = knownNameOf(invocation);
  const { out } = invocation;
  return atUrgentWork(invocation, async (place) => {
    if (invocation.dryRun) return sayDryRun(invocation, 'disable', name);
    const account = await accountsOf(place).change(name, (now) => ({
      ...now,
      disabled: true,
      firstLogin: null,
      epoch: now.epoch + 1,
    }));
    if (!account) throw unknown(name);
    await place.record({ type: 'operator.disabled', subject: name });
    const ended = await endTokens(place, name, invocation);
    const grants = await endGrants(place, name, invocation);
    if (invocation.json) out.json({ name, disabled: true, tokens_revoked: ended, grants_ended: grants });
    else out.line(`disabled  ${name}`);
    return EXIT.done;
  });
}

/** Session tokens that an operator made end with what allowed it. Resolves to how many. */
async function endTokens({ store, record }: Workplace, name: string, { out, json }: Invocation): Promise<number> {
  const life = tokens({ store, clock: systemClock });
  try {
    const ended = await revokeTokens(life, await life.mintedBy(`operator:${name}`), record);
    for (const { tokenId, scopes } of ended) {
      if (!json) out.talk(`revoked  token ${tokenId}, which ${name} made`);
      if (scopes.includes(ADMIN_TOKENS) && (await life.mintedBy(`token:${tokenId}`)).length > 0)
        out.warn(`token ${tokenId} minted others that are alive: countersign tokens revoke --minted-by ${tokenId}`);
    }
    return ended.length;
  } finally {
    life.close();
  }
}

/** Programs that the operator let in have to ask again. Resolves to how many grants they lost. */
async function endGrants({ config, store, record }: Workplace, name: string, { out, json }: Invocation) {
  const grants = await endGrantsOf(name, { config, records: store.records, clock: systemClock });
  if (grants === 0) return 0;
  await record({ type: 'oauth.grants_ended', subject: name, detail: { grants } });
  if (!json) out.talk(`ended  ${grants === 1 ? '1 grant' : `${grants} grants`} that ${name} gave to programs`);
  return grants;
}

export async function operatorsList(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async (place) => {
    const lines = (await accountsOf(place).list()).map(lineOf);
    if (invocation.json) {
      out.json(lines);
      return EXIT.done;
    }
    if (lines.length === 0) {
      out.talk('There are no operators. Make one: countersign operators create NAME --role operator');
      return EXIT.done;
    }
    const rows = lines.map(({ name, role, state, totp, openid, created_at }) => [
      name,
      role,
      state,
      openid ? 'elsewhere' : totp ? 'yes' : 'no',
      created_at,
    ]);
    for (const line of columns(['NAME', 'ROLE', 'STATE', 'SECOND FACTOR', 'CREATED'], rows, out)) out.line(line);
    return EXIT.done;
  });
}

function lineOf({ name, role, totp, createdAt, ...account }: Account) {
  const state = account.disabled ? 'disabled' : account.password || account.openid ? 'active' : 'has yet to log in';
  return {
    name,
    role,
    state,
    totp: totp !== null,
    openid: account.openid !== undefined,
    created_at: rfc3339(createdAt),
  };
}

function accountsOf({ store }: Workplace): Accounts {
  return accounts({ records: store.records, clock: systemClock });
}

/** Of an account that is there: of one from a provider, too. */
function knownNameOf(invocation: Invocation): string {
  const [name = ''] = invocation.positionals;
  return isOpenidName(name) ? name : nameOf(invocation);
}

function nameOf({ positionals }: Invocation): string {
  const [name = ''] = positionals;
  const fault = nameFault(name);
  if (fault !== null) throw usage(fault);
  return name;
}

function roleOf(invocation: Invocation): Role | null {
  const text = invocation.text('role');
  const role = ROLES.find((each) => each === text);
  if (text !== null && !role) throw usage(`--role is viewer or operator, not "${printable(text)}"`);
  return role ?? null;
}

function unknown(name: string) {
  return refused(`there is no operator ${name}`, 'See `countersign operators list`.');
}

function sayDryRun({ out, json }: Invocation, what: string, name: string): number {
  if (json) out.json({ dry_run: true, name });
  else out.line(`would ${what}  ${name}`);
  return EXIT.done;
}

function sayCode({ out, json }: Invocation, { config }: Workplace, account: Account, loginCode: string): number {
  const expiresAt = rfc3339(account.firstLogin?.expiresAt ?? 0);
  if (json) {
    out.json({ name: account.name, role: account.role, login_code: loginCode, expires_at: expiresAt });
    return EXIT.done;
  }
  out.line(loginCode);
  out.talk(
    `The code for the first login of ${account.name} (${account.role}), shown this once; it counts once, until ${expiresAt}.`,
  );
  const door = listenOrigin({ listen: config.adminListen, tls: config.adminTls });
  out.talk(`It is used, and a password chosen, at ${door}/dashboard/ while the server runs.`);
  return EXIT.done;
}
