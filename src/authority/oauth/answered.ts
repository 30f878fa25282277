import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { equalText } from '../../crypto/compare.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { randomSecret } from '../../crypto/random.ts';
import type { Exchange } from '../exchange.ts';
import { cookieName } from '../login/session-cookie.ts';
import { html, page } from './pages.ts';

/** By which the library knows the request that goes on after a question was answered. */
export const RESUME_COOKIE = 'countersign_oauth_resume';
/** By which it knows the browser. */
export function sessionCookieOf(issuer: string): string {
  const { host, protocol } = new URL(issuer);
  return cookieName('countersign_oauth_session', host, protocol === 'https:');
}
const ANSWER_COOKIE = 'countersign_oauth_answer';
const answerSeconds = 60;
const beginnings: ReadonlySet<string> = new Set(['/oauth/authorize', '/oauth/device']);

/** What a browser gets that gave an answer, and the digest of it, to be kept with the answer. */
export function answeredHere({ res }: Exchange, returnTo: string): { readonly answeredBy: string } {
  const proof = randomSecret(32).toString('base64url');
  const { pathname, protocol } = new URL(returnTo);
  const secure = protocol === 'https:' ? '; Secure' : '';
  res.appendHeader(
    'set-cookie',
    `${ANSWER_COOKIE}=${proof}; Path=${pathname}; HttpOnly; SameSite=Lax; Max-Age=${answerSeconds}${secure}`,
  );
  return { answeredBy: sha256Hex(proof) };
}

/**
 * An answer counts in the browser that gave it. The library holds a question by cookies that whoever began it has, too, and may put into
 * another browser: a page of a service on this machine, or of a host beside ours, needs no more than document.cookie. An operator who
 * logs in there would log in whoever began.
 */
export function onlyWhereAnswered(provider: Provider) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void> => {
    // The cookie decides which question it is, whatever follows in the path; without anything there another one begins.
    const uid = beginnings.has(ctx.path) ? undefined : ctx.cookies.get(RESUME_COOKIE, { signed: true });
    const result = uid === undefined ? undefined : (await provider.Interaction.find(uid))?.result;
    const proof = ctx.cookies.get(ANSWER_COOKIE, { signed: false }) ?? '';
    const isHere = result === undefined || equalText(sha256Hex(proof), String(result['answeredBy']));
    // The library would look for what was begun, find nothing, and take that for a fault of its own.
    const isBegun = isForm(ctx)
      ? ctx.cookies.get(sessionCookieOf(provider.issuer), { signed: true }) !== undefined
      : uid !== undefined || ![...beginnings].some((path) => ctx.path.startsWith(`${path}/`));
    if (isHere && isBegun) {
      await next();
      return;
    }
    const words = isHere ? 'is over, or was begun in another browser' : 'was begun in another browser';
    const { body, headers } = page('That did not work', html`<p>This login ${words}. Begin again at your client.</p>`);
    ctx.status = 400;
    ctx.set({ ...headers });
    ctx.body = body;
  };
}

/** A device's code that was typed, which counts in the browser that was shown the form. */
function isForm({ method, path }: KoaContextWithOIDC): boolean {
  return method === 'POST' && path === '/oauth/device';
}
