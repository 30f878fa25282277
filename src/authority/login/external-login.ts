import type { Stack } from '../../compose/stack.ts';
import { boundedFetch } from '../../compose/wiring/bounded-fetch.ts';
import type { Act, Actor } from '../../core/event.ts';
import { printable } from '../../core/text/printable.ts';
import { randomSecret } from '../../crypto/random.ts';
import { revokeTokens } from '../../keys/tokens/revoke-tokens.ts';
import { readSecretFile } from '../../keys/sources/read-secret.ts';
import { standingOf, type Account } from '../../operators/account.ts';
import { OpenidError, openidProvider, type Attempt, type Claims } from '../../operators/openid.ts';
import { admit, personOf, type Admission } from '../../operators/openid-person.ts';
import { addressGroup } from '../../policies/address-group.ts';
import type { Exchange } from '../exchange.ts';
import { cameOverTls, exposure } from '../host-check.ts';
import { endGrantsOf } from '../oauth/kept-grants.ts';
import type { LoginAnswer } from '../oauth/logged-in.ts';
import { html, page } from '../oauth/pages.ts';
import type { Operators } from './operators.ts';
import type { Refused } from '../refused.ts';
import { refusalReply, type Reply } from '../reply.ts';
import type { Endpoints } from '../router.ts';
import { sessionCookieLine } from './session-cookie.ts';
import { travelCookie } from './travel-cookie.ts';

/** Operators who log in at an OpenID provider: there, and back into the browser that went, once. */
export interface ExternalLogin {
  /** What people know the provider by: its host. */
  readonly label: string;
  readonly endpoints: Endpoints;
  /** Sends the browser there; it comes back to this interaction of the authorization server. */
  begin(exchange: Exchange, interaction: string): Promise<Reply>;
  /** Who came back to it. */
  proven(exchange: Exchange, interaction: string): Promise<LoginAnswer>;
}

/** What the browser carries, sealed: there, and from our callback to the interaction. */
interface Away extends Attempt {
  readonly stage: 'away';
  /** Null: to the dashboard. */
  readonly interaction: string | null;
}
interface Back {
  readonly stage: 'back';
  readonly id: string;
  readonly interaction: string;
  readonly operator: string;
  readonly standing: string;
}

const OPENID = '/admin/openid';
const CALLBACK = `${OPENID}/callback`;
const awaySeconds = 600;
const backSeconds = 60;
/** Each makes us ask the provider. */
const perAddress = { limit: 60, windowSeconds: 300 };

/** Null where the configuration names no provider. */
export function externalLogin(stack: Stack, { accounts, sessions }: Operators): ExternalLogin | null {
  if (stack.config.openid === null) return null;
  const rules = stack.config.openid;
  const { issuer, clientSecretFile } = rules;
  // Told at the start, not by the first who cannot log in.
  const reading = clientSecretFile === null ? null : readSecretFile(clientSecretFile);
  const complaint = reading?.ok ? reading.warning : reading?.fault;
  if (complaint) process.emitWarning(`operators.openid.clientSecretFile: ${complaint}`);
  const provider = openidProvider({
    ...rules,
    clientSecret: () => (clientSecretFile === null ? null : secretIn(clientSecretFile)),
    fetch: boundedFetch,
    clock: stack.clock,
  });
  const travel = travelCookie<Away | Back>(stack);

  async function leave(exchange: Exchange, interaction: string | null, fresh: boolean): Promise<Reply> {
    const fault = await doorFault(exchange);
    if (fault) return fault;
    try {
      const { url, attempt } = await provider.begin(originOf(exchange) + CALLBACK, fresh);
      travel.pack(exchange, { ...attempt, stage: 'away', interaction }, awaySeconds);
      return redirect(url);
    } catch (error) {
      return unproven(error);
    }
  }

  async function comeBack(exchange: Exchange): Promise<Reply> {
    const exposed = exposedFault(exchange);
    if (exposed) return refusalReply(exposed);
    const kept = travel.unpack(exchange);
    travel.drop(exchange);
    const isHere = kept?.stage === 'away' && kept.redirectUri === originOf(exchange) + CALLBACK;
    if (!isHere || !(await isFirst(kept.state, awaySeconds)))
      return said(400, 'This login is over, or was begun in another browser or tab. Begin again.');
    let claims: Claims;
    try {
      claims = await provider.finish(exchange.request.target.split('?')[1] ?? '', kept);
    } catch (error) {
      return unproven(error);
    }
    const found = await admitted(exchange, claims);
    if (!('account' in found)) return said(403, found.words);
    return kept.interaction === null
      ? toDashboard(exchange, found.account, claims)
      : toInteraction(exchange, found.account, kept.interaction);
  }

  async function toDashboard(exchange: Exchange, account: Account, { auth_time: provedAt }: Claims): Promise<Reply> {
    // A provider that knows somebody from yesterday has not looked at them now.
    const at = typeof provedAt === 'number' ? Math.min(provedAt, stack.clock()) : 0;
    const session = await sessions.open(account, at);
    await record(exchange, account.name, 'operator.logged_in');
    exchange.res.appendHeader('set-cookie', sessionCookieLine(exchange, session.token));
    // Behind the #, which reaches no server: whoever sees the cookie does not see this.
    return redirect(`/dashboard/#csrf=${session.csrf}`);
  }

  function toInteraction(exchange: Exchange, account: Account, interaction: string): Reply {
    const { name, role } = account;
    if (role !== 'operator') return said(403, 'A viewer cannot let anybody in.');
    const id = randomSecret(16).toString('base64url');
    const back = { stage: 'back', id, interaction, operator: name, standing: standingOf(account) } as const;
    travel.pack(exchange, back, backSeconds);
    return redirect(`/oauth/interaction/${interaction}/proven`);
  }

  async function admitted(exchange: Exchange, claims: Claims) {
    const person = personOf(claims, rules);
    if (person === null) return { words: `The provider gives no ${rules.nameClaim} that can be a name here.` };
    const found = await admit(accounts, rules, person, stack.clock());
    const { name } = person;
    if (found.lostOperator) await endLetIn(exchange, name);
    if ('fault' in found) {
      // Told once a minute of each person, who may try as often as they like; and whoever fails has only claimed to be the one.
      if (await isFirst(`refused ${person.subject}`, 60))
        await record(exchange, name, 'operator.login_failed', { why: found.fault }, `${name}?`);
      return { words: faultWords[found.fault] };
    }
    if (found.isNew) await record(exchange, name, 'operator.created', { role: found.account.role });
    return found;
  }

  /** A viewer could neither have made the tokens nor have let the programs in. */
  async function endLetIn(exchange: Exchange, name: string): Promise<void> {
    const kept = (act: Act): Promise<void> => stack.trail.record(act, actor(exchange, name));
    await revokeTokens(stack.tokens, await stack.tokens.mintedBy(`operator:${name}`), kept);
    const { config, clock } = stack;
    const grants = await endGrantsOf(name, { config, clock, records: stack.store.records });
    if (grants > 0) await kept({ type: 'oauth.grants_ended', subject: name, detail: { grants } });
  }

  async function record(
    exchange: Exchange,
    subject: string,
    type: `operator.${string}`,
    detail = {},
    who = subject,
  ): Promise<void> {
    await stack.trail.record({ type, subject, detail: { ...detail, issuer } }, actor(exchange, who));
  }

  function actor({ request }: Exchange, name: string): Actor {
    return { id: `operator:${name}`, via: 'http', from: request.remoteAddress };
  }

  /** True for one caller alone, on all replicas. */
  function isFirst(what: string, seconds: number): Promise<boolean> {
    const now = stack.clock();
    return stack.store.limits.once(`openid:${what}`, now + seconds + 60, now);
  }

  /** Only who began can come back, so it is enough to count these. */
  async function doorFault(exchange: Exchange): Promise<Reply | null> {
    const exposed = exposedFault(exchange);
    if (exposed) return refusalReply(exposed);
    const key = `openid-login:${addressGroup(exchange.request.remoteAddress)}`;
    const { limit, windowSeconds } = perAddress;
    const { allowed } = await stack.store.limits.take(key, limit, windowSeconds, stack.clock());
    return allowed ? null : said(429, 'Too many logins from this address. Wait a while.');
  }

  return {
    label: new URL(issuer).host,
    endpoints: {
      [OPENID]: { GET: (exchange) => leave(exchange, null, exchange.query.has('fresh')) },
      [CALLBACK]: { GET: comeBack },
    },
    begin: (exchange, interaction) => leave(exchange, interaction, false),
    async proven(exchange, interaction) {
      const kept = travel.unpack(exchange);
      travel.drop(exchange);
      const isTheirs = kept?.stage === 'back' && kept.interaction === interaction;
      if (isTheirs && (await isFirst(kept.id, backSeconds)))
        return { operator: kept.operator, standing: kept.standing, issuer };
      return { words: 'That login is over. Begin again.', status: 400 };
    },
  };
}

const faultWords: Readonly<Record<Extract<Admission, { fault: string }>['fault'], string>> = {
  no_role: 'The provider knows you, and nothing there makes you an operator or viewer here.',
  disabled: 'Your account here is shut.',
  name_taken: 'Somebody else was here under your name. An operator can reset it: countersign operators reset NAME.',
};

function exposedFault(exchange: Exchange): Refused | null {
  return exposure(exchange, 'operators log in over TLS, or on the same machine');
}

function unproven(error: unknown): Reply {
  if (!(error instanceof OpenidError)) throw error;
  process.emitWarning(`login elsewhere: ${printable(error.message)}`);
  if (error.code === 'openid_unavailable') return said(503, 'The provider cannot be reached. Try again in a moment.');
  if (error.code === 'openid_refused') return said(403, 'The provider did not let you in.');
  return said(403, 'What the provider answered does not hold. Begin again.');
}

function secretIn(path: string): string {
  const reading = readSecretFile(path);
  if (!reading.ok) throw new OpenidError('openid_unavailable', `the secret cannot be used: ${reading.fault}`);
  return reading.text;
}

/** Its host was looked at: it is this machine's or one of adminHosts. */
function originOf(exchange: Exchange): string {
  return `${cameOverTls(exchange) ? 'https' : 'http'}://${exchange.request.authority}`;
}

function said(status: number, words: string): Reply {
  const { body, headers } = page(
    'That did not work',
    html`<p role="alert">${words}</p>
      <p><a href="/dashboard/">To the dashboard</a></p>`,
  );
  return { status, body, headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) } };
}

function redirect(location: string): Reply {
  // The provider is not told from which page of ours somebody comes.
  return {
    status: 303,
    body: '',
    headers: { location, 'content-length': '0', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
  };
}
