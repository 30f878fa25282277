import { errors, type InteractionResults } from 'oidc-provider';
import type Provider from 'oidc-provider';
import { bodyText } from '../body.ts';
import type { Exchange } from '../exchange.ts';
import type { Reply } from '../reply.ts';
import { logOut, methodsOf, standingIn } from './account.ts';
import { answeredHere } from './answered.ts';
import { grantedAct, loggedInAct, recordBy, refusedAct } from './events.ts';
import type { LoginAnswer } from './logged-in.ts';
import type { OperatorLogin } from './login.ts';
import { html, page, type Html, type Page } from './pages.ts';
import { INTERACTION } from './provider.ts';

type Details = Awaited<ReturnType<Provider['interactionDetails']>>;

/** A question under way, and the request that answers it or asks to see it. */
interface Interaction {
  readonly provider: Provider;
  readonly login: OperatorLogin;
  readonly exchange: Exchange;
  readonly details: Details;
}

/** What somebody is asked who comes with a client: first to log in, then whether the client may. Null: answered already. */
export async function interaction(provider: Provider, login: OperatorLogin, exchange: Exchange): Promise<Reply | null> {
  let details: Details;
  try {
    // Held together with a signed cookie: the address alone leads nowhere.
    details = await provider.interactionDetails(exchange.req, exchange.res);
  } catch (error) {
    if (!(error instanceof errors.SessionNotFound)) throw error;
    return reply(
      400,
      page(
        'That did not work',
        html`<p>This login is over, or was begun in another browser. Begin again at your client.</p>`,
      ),
    );
  }
  const asking = { provider, login, exchange, details };
  const step = exchange.path.split('/')[4] ?? '';
  if (exchange.method === 'GET') {
    const { external } = login;
    if (step === '') return shown(asking);
    if (external && details.prompt.name === 'login') {
      if (step === 'elsewhere') return external.begin(exchange, details.uid);
      if (step === 'proven') return loggedIn(asking, await external.proven(exchange, details.uid));
    }
  }
  if (exchange.method !== 'POST') return reply(405, page('That did not work', html`<p>There is nothing here.</p>`));
  const body = await bodyText(exchange.req, exchange.res);
  if (!body.ok) return reply(400, page('That did not work', html`<p>${body.words}</p>`));
  const form = new URLSearchParams(body.text);
  if (step === 'abort') return refuse(asking);
  if (step === 'login' && details.prompt.name === 'login') return logIn(asking, form);
  if (step === 'confirm' && details.prompt.name === 'consent') return grant(asking);
  return shown(asking);
}

async function logIn(asking: Interaction, form: URLSearchParams): Promise<Reply | null> {
  const { login, exchange } = asking;
  return loggedIn(asking, await login.authenticate(form, exchange.request.remoteAddress));
}

async function loggedIn(asking: Interaction, result: LoginAnswer): Promise<Reply | null> {
  const { provider, login, exchange, details } = asking;
  if ('words' in result) return reply(result.status, loginPage(details, login, result.words));
  const { req, res } = exchange;
  const session = await provider.Session.get({ req, res } as never);
  // Of another tab, say. The library would have its own page ask about that, which there is not here.
  if (session.accountId !== undefined && session.accountId !== result.operator) {
    logOut(session);
    await session.persist();
  }
  await recordBy(result.operator, loggedInAct(result, String(details.params['client_id'])), exchange);
  return finish(asking, {
    login: { accountId: result.operator, amr: methodsOf(result), remember: false },
  });
}

/** Consent is of somebody who logged in, who may still act, and for exactly what was shown. */
async function grant(asking: Interaction): Promise<Reply | null> {
  const { provider, exchange, details } = asking;
  const { prompt, params } = details;
  const accountId = await askedOf(asking);
  if (accountId === null) return finish(asking, { error: 'access_denied', error_description: 'nobody is logged in' });
  const known = details.grantId === undefined ? undefined : await provider.Grant.find(details.grantId);
  const given = known ?? new provider.Grant({ accountId, clientId: String(params['client_id']) });
  const { scopes, resources } = asked(details);
  if (prompt.details['missingOIDCScope'] !== undefined)
    given.addOIDCScope(scopesOf(prompt.details['missingOIDCScope']));
  for (const resource of resources) {
    const missing = (prompt.details['missingResourceScopes'] as Record<string, string[]> | undefined)?.[resource] ?? [];
    // The placeholder says that the resource was granted, even where it has no scopes.
    given.addResourceScope(resource, ['openid', ...missing.filter((scope) => scopes.includes(scope))].join(' '));
  }
  let grantId: string;
  try {
    grantId = await given.save();
  } catch (error) {
    if (!(error instanceof errors.InvalidGrant)) throw error;
    const { error_description: words } = error;
    return finish(asking, {
      error: 'access_denied',
      ...(words !== undefined && { error_description: words }),
    });
  }
  await recordBy(accountId, grantedAct(await clientOf(asking), told(details)), exchange);
  return finish(asking, { consent: { grantId } });
}

async function refuse(asking: Interaction): Promise<Reply | null> {
  const { exchange, details } = asking;
  const operator = await askedOf(asking);
  // Whoever is not logged in turns away, and decides nothing.
  if (operator !== null) await recordBy(operator, refusedAct(await clientOf(asking), told(details)), exchange);
  return finish(asking, { error: 'access_denied', error_description: 'the operator refused' });
}

/** The operator whom this question is put to; null where nobody is logged in any more. */
async function askedOf({ login, details: { session } }: Interaction): Promise<string | null> {
  const operator = session?.accountId;
  if (operator === undefined || !(await login.isCurrent({ operator, standing: standingIn(session?.amr) }))) return null;
  return operator;
}

async function clientOf({ provider, details: { params } }: Interaction) {
  const clientId = String(params['client_id']);
  return { clientId, clientName: (await provider.Client.find(clientId))?.clientName };
}

async function finish({ provider, exchange, details }: Interaction, result: InteractionResults): Promise<null> {
  const { req, res } = exchange;
  const answer = { ...result, ...answeredHere(exchange, details.returnTo) };
  await provider.interactionFinished(req, res, answer, { mergeWithLastSubmission: !('error' in result) });
  return null;
}

async function shown({ provider, login, details }: Interaction): Promise<Reply> {
  return details.prompt.name === 'login'
    ? reply(200, loginPage(details, login, null))
    : reply(200, await consentPage(details, provider));
}

function loginPage({ uid, params }: Details, login: OperatorLogin, fault: string | null): Page {
  const fields = login.fields.map(
    ({ name, label, secret, autocomplete, required }) =>
      html`<label
        >${label}<input
          name="${name}"
          type="${secret ? 'password' : 'text'}"
          autocomplete="${autocomplete}"
          ${required ? html`required` : html``}
      /></label>`,
  );
  const said = fault === null ? html`` : html`<p class="fault" role="alert">${fault}</p>`;
  const elsewhere =
    login.external === null
      ? html``
      : html`<p><a href="${INTERACTION}/${uid}/elsewhere">Log in at ${login.external.label}</a></p>`;
  return page(
    'Log in',
    html`<p>To decide whether <strong>${String(params['client_id'])}</strong> may use your services.</p>
      ${said} ${elsewhere}
      <form method="post" action="${INTERACTION}/${uid}/login">${fields}<button type="submit">Log in</button></form>`,
    landing(params),
  );
}

/** Who asks, from where, for what, and where the answer goes: what tells a client from one that passes itself off as it. */
async function consentPage(details: Details, provider: Provider): Promise<Page> {
  const { uid, params, session } = details;
  const clientId = String(params['client_id']);
  const client = await provider.Client.find(clientId);
  const { scopes, resources } = told(details);
  const redirect = typeof params['redirect_uri'] === 'string' ? params['redirect_uri'] : null;
  const rows: (readonly [string, readonly string[]])[] = [
    ['Client', [client?.clientName ?? clientId]],
    ['Its id', [clientId]],
    ...(client?.clientUri === undefined ? [] : [['Its page, as it says', [client.clientUri]] as const]),
    ['The answer goes to', [redirect === null ? 'the device that shows the code' : hostOf(redirect)]],
    ['It wants to use', resources.length > 0 ? resources : ['nothing']],
    ['With the scopes', scopes.length > 0 ? scopes : ['none']],
    ['As', [session?.accountId ?? '']],
  ];
  // Each value by itself: what is shown is cut where it is long, and nothing may hide behind the end of a list.
  const list: readonly Html[] = rows.map(
    ([name, values]) =>
      html`<dt>${name}</dt>
        ${values.map((value) => html`<dd>${value}</dd>`)}`,
  );
  return page(
    'Let this client in?',
    html`<dl>${list}</dl>
      <p class="note">
        Anybody can choose a client’s name. Look at where the answer goes, and whether you began this yourself.
      </p>
      <form method="post" action="${INTERACTION}/${uid}/confirm"><button type="submit">Let it in</button></form>
      <form method="post" action="${INTERACTION}/${uid}/abort"><button type="submit">Refuse</button></form>`,
    landing(params),
  );
}

interface Asked {
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
}

/** Of all that the client asked for, what it is not granted yet. */
function asked({ prompt, params }: Details): Asked {
  const missing = prompt.details['missingResourceScopes'] as Record<string, string[]> | undefined;
  const resource = params['resource'];
  const named = Array.isArray(resource) ? resource.map(String) : typeof resource === 'string' ? [resource] : [];
  const inResources = Object.values(missing ?? {}).flat();
  return {
    scopes: [...new Set([...scopesOf(prompt.details['missingOIDCScope']).split(' '), ...inResources])],
    resources: [...new Set([...named, ...Object.keys(missing ?? {})])],
  };
}

/** The same as people are told it: without what stands for no scope of a service. */
function told(details: Details): Asked {
  const { scopes, resources } = asked(details);
  return { resources, scopes: scopes.filter((scope) => !['', 'openid', 'offline_access'].includes(scope)) };
}

function scopesOf(value: unknown): string {
  return Array.isArray(value) ? value.join(' ') : '';
}

/** Browsers hold the redirect that answers a form to the page's policy. */
function landing(params: Details['params']): string[] {
  const uri = params['redirect_uri'];
  if (typeof uri !== 'string' || !URL.canParse(uri)) return [];
  const { origin, protocol } = new URL(uri);
  return [origin === 'null' ? protocol : origin];
}

/** Of an address on this machine the port tells one program from another. */
function hostOf(uri: string): string {
  const { host, protocol } = new URL(uri);
  return host === '' ? `the program that opens ${protocol}` : host;
}

function reply(status: number, { body, headers }: Page): Reply {
  return { status, body, headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) } };
}
