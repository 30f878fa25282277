import { errors, type Configuration, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { OauthServerConfig } from '../../compose/config.ts';
import type { Stack } from '../../compose/stack.ts';
import { equalText } from '../../crypto/compare.ts';
import { sha256, sha256Hex } from '../../crypto/digest.ts';
import { randomSecret } from '../../crypto/random.ts';
import { ALGORITHMS } from '../../schemes/oauth/index.ts';
import { accountFinder } from './account.ts';
import { RESUME_COOKIE, sessionCookieOf } from './answered.ts';
import type { OperatorLogin } from './login.ts';
import { html, page, trusted } from './pages.ts';
import { questions } from './questions.ts';
import { inTheClearWords, isInTheClear } from './redirects.ts';
import { resourceOf, resourceServerOf, scopesKnown, soleResource } from './resources.ts';
import type { SigningKeys } from './signing-keys.ts';
import { MADE, REGISTERED, stateAdapter } from './state.ts';

export interface ProviderOptions {
  readonly stack: Stack;
  readonly server: OauthServerConfig;
  readonly keys: SigningKeys;
  readonly login: OperatorLogin;
  readonly fetch: (url: string | URL, init?: object) => Promise<Response>;
}

/** Where its endpoints stand; all below one reserved segment. */
export const ROUTES = {
  authorization: '/oauth/authorize',
  token: '/oauth/token',
  jwks: '/oauth/jwks',
  registration: '/oauth/register',
  revocation: '/oauth/revoke',
  introspection: '/oauth/introspect',
  pushed_authorization_request: '/oauth/par',
  code_verification: '/oauth/device',
  device_authorization: '/oauth/device_authorization',
  end_session: '/oauth/end_session',
} as const;
export const INTERACTION = '/oauth/interaction';

/** The library with the settings of this stack; made anew when the keys change. */
export function oauthProvider(options: ProviderOptions): Provider {
  const { stack, server, keys } = options;
  const provider = new Provider(server.issuer, {
    adapter: (model: string) =>
      stateAdapter(model, {
        records: stack.store.records,
        seal: stack.seal,
        clock: stack.clock,
        accessTokenSeconds: server.accessTokenSeconds,
        refusal: (words) => new errors.InvalidGrant(words),
      }),
    jwks: { keys: keys.jwks },
    cookies: cookies(keys, server),
    routes: ROUTES,
    features: features(options),
    ...people(options),
    ...tokens(server),
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
      token_endpoint_auth_method: 'client_secret_basic',
    },
    extraClientMetadata: { properties: ['redirect_uris'], validator: refuseInTheClear },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: {
      clientAuthSigningAlgValues: [...ALGORITHMS],
      idTokenSigningAlgValues: ['ES256'],
      dPoPSigningAlgValues: [...ALGORITHMS],
    },
    responseTypes: ['code'],
    // Those of the services too, so that clients may register for them; a token has those of its resource alone.
    scopes: ['openid', 'offline_access', ...scopesKnown(stack)],
    // No endpoint that answers pages of other origins asks for a cookie.
    clientBasedCORS: (_ctx: KoaContextWithOIDC, origin: string) => origin !== 'null',
    fetch: options.fetch,
    fetchResponseBodyLimits: { 'client_id metadata document': 5120, jwks_uri: 65_536 },
    // RFC 9700 §2.1.1: whoever the client is, a code that was stolen on its way is worth nothing.
    pkce: { required: () => true },
  } as unknown as Configuration);
  // Behind our own door: the addresses in answers are those of the issuer, whatever the request was sent to.
  provider.proxy = true;
  const { prototype } = provider.Client as unknown as { prototype: { compareClientSecret(secret: string): boolean } };
  prototype.compareClientSecret = function compare(this: { clientSecret?: string }, secret: string): boolean {
    return equalText(sha256Hex(secret), this.clientSecret ?? '');
  };
  return provider;
}

/** The library lets what says that it is a web page have its codes sent anywhere. What it says is not looked at yet. */
function refuseInTheClear(_ctx: unknown, _name: string, uris: unknown): void {
  if (Array.isArray(uris) && uris.some((uri) => typeof uri === 'string' && isInTheClear(uri)))
    throw new errors.InvalidClientMetadata(inTheClearWords);
}

function cookies({ cookieSecret }: SigningKeys, { issuer }: OauthServerConfig): object {
  return {
    names: {
      session: sessionCookieOf(issuer),
      interaction: 'countersign_oauth_interaction',
      resume: RESUME_COOKIE,
    },
    long: { httpOnly: true, sameSite: 'lax', signed: true },
    short: { httpOnly: true, sameSite: 'lax', signed: true },
    keys: [cookieSecret],
  };
}

/** How people log in and what they are asked. */
function people({ login, server }: ProviderOptions): object {
  return {
    interactions: {
      policy: questions(server),
      url: (_ctx: unknown, { uid }: { readonly uid: string }) => `${INTERACTION}/${uid}`,
    },
    findAccount: accountFinder(login),
    renderError(
      ctx: KoaContextWithOIDC,
      { error, error_description: words }: { error: string; error_description?: string },
    ) {
      const shown = page(
        'That did not work',
        html`<p class="fault">${words ?? error}</p>
          <p class="note">${error}</p>`,
      );
      ctx.set(shown.headers);
      ctx.body = shown.body;
    },
  };
}

function tokens(server: OauthServerConfig): object {
  const { accessTokenSeconds, refreshTokenSeconds } = server;
  return {
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: accessTokenSeconds,
      AuthorizationCode: 60,
      DeviceCode: 600,
      IdToken: accessTokenSeconds,
      Interaction: 900,
      RefreshToken: refreshTokenSeconds,
      Grant: refreshTokenSeconds,
      // Long enough to answer several clients in a row; what was granted outlives it.
      Session: 3600,
    },
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    formats: {
      customizers: {
        // What was issued under one grant is called back together.
        jwt(_ctx: unknown, { grantId }: { readonly grantId?: string }, { payload }: { payload: { jti: string } }) {
          if (grantId !== undefined) payload.jti = `${grantId}.${payload.jti}`;
        },
      },
    },
  };
}

function features({ stack, server }: ProviderOptions): object {
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    dPoP: { enabled: true },
    clientCredentials: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    revocation: {
      enabled: true,
      allowedPolicy: (_ctx: unknown, client: Asking, token: { readonly clientId?: string }) =>
        token.clientId === client.clientId,
    },
    introspection: {
      enabled: true,
      allowedPolicy: (_ctx: unknown, client: Asking, token: { readonly clientId?: string }) =>
        mayIntrospect(client, token.clientId),
    },
    clientIdMetadataDocument: { enabled: server.metadataDocuments, ack: 'draft-02' },
    registration: {
      enabled: server.registration,
      issueRegistrationAccessToken: false,
      idFactory: clientIdOf,
      secretFactory: () => randomSecret(64).toString('base64url'),
    },
    deviceFlow: { enabled: true, charset: 'base-20', mask: '****-****', ...devicePages },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      defaultResource: (_ctx: unknown, _client: unknown, oneOf?: readonly string[]) =>
        oneOf?.[0] ?? soleResource(stack),
      getResourceServerInfo(ctx: KoaContextWithOIDC, indicator: string, client: Asking & { readonly scope?: string }) {
        // Nobody is asked here, so it is for clients that an operator made, and never for who came by itself.
        if (ctx.oidc.params?.['grant_type'] === 'client_credentials' && !client.clientId.startsWith(MADE))
          throw new errors.UnauthorizedClient('only a client that an operator made may ask in its own name');
        const service = resourceOf(stack, indicator);
        if (service === null) throw new errors.InvalidTarget('there is no such resource here');
        return resourceServerOf(service, server.accessTokenSeconds, client.scope);
      },
    },
  };
}

/** Whoever an operator gave a secret may ask about any token; others about their own. */
export function mayIntrospect({ clientId, clientAuthMethod }: Asking, of: unknown): boolean {
  return of === clientId || (clientAuthMethod !== 'none' && clientId.startsWith(MADE));
}

interface Asking {
  readonly clientId: string;
  readonly clientAuthMethod?: string | undefined;
}

/** Characters of a registration, public keys included: strangers make hundreds of clients in an hour, and each is kept for a day. */
const registrationMax = 8192;

/** A client without a secret that registers the same again is the same again: restarts do not fill the store. */
function clientIdOf({ oidc }: KoaContextWithOIDC): string {
  const { body } = oidc as unknown as { readonly body?: Readonly<Record<string, unknown>> };
  const words = Object.entries(body ?? {}).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const text = textOf(words);
  if (text.length > registrationMax)
    throw new errors.InvalidClientMetadata(`a registration has at most ${registrationMax} characters`);
  const isPublic = body?.['token_endpoint_auth_method'] === 'none';
  return `${REGISTERED}${(isPublic ? sha256(Buffer.from(text)) : randomSecret(16)).toString('base64url')}`;
}

/** What was read without end cannot be written so: writing it needs the stack. */
function textOf(words: unknown): string {
  try {
    return JSON.stringify(words);
  } catch {
    throw new errors.InvalidClientMetadata('the registration is nested too deeply');
  }
}

const devicePages = {
  userCodeInputSource(
    ctx: KoaContextWithOIDC,
    form: string,
    _out: unknown,
    error?: { readonly userCode?: string; readonly name?: string },
  ) {
    const said = error ? html`<p class="fault">That code is not known. Try again.</p>` : html``;
    const content = html`${said}
      <p>Enter the code that your device shows.</p>
      ${trusted(withoutScripts(form))} <button type="submit" form="op.deviceInputForm">Continue</button>`;
    show(ctx, page('Connect a device', content));
  },
  userCodeConfirmSource(ctx: KoaContextWithOIDC, form: string, client: Described, _device: unknown, userCode: string) {
    const content = html`<p>
        <strong>${client.clientName ?? client.clientId}</strong> wants to be connected. Does it show this code?
      </p>
      <p><code>${userCode}</code></p>
      <p class="note">If you did not begin this, abort: somebody else did.</p>
      ${trusted(form)}
      <button type="submit" form="op.deviceConfirmForm">It does</button>
      <button type="submit" form="op.deviceConfirmForm" value="yes" name="abort">Abort</button>`;
    show(ctx, page('Connect a device', content));
  },
  successSource(ctx: KoaContextWithOIDC) {
    show(ctx, page('Connected', html`<p>You can close this page and go on at the device.</p>`));
  },
};

interface Described {
  readonly clientId: string;
  readonly clientName?: string;
}

/** The library's form has a handler that the page's policy would not run. */
function withoutScripts(form: string): string {
  return form.replace(/ onfocus="[^"]*"/, '');
}

function show(
  ctx: KoaContextWithOIDC,
  { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
): void {
  ctx.set({ ...headers });
  ctx.body = body;
}
