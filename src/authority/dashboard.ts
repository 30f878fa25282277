import { dashboardFiles } from '../compose/dashboard-files.ts';
import type { Exchange } from './exchange.ts';
import { COMMON_HEADERS, type Reply } from './reply.ts';

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers = {
  ...COMMON_HEADERS,
  'content-security-policy': policy,
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const notBuilt = `<!doctype html><html lang="en"><title>Countersign</title><h1>The dashboard is not built</h1>
<p>Run <code>npm run dashboard:build</code> in this checkout and start the server again. The package of a release has it built.</p></html>`;

/** GET /dashboard and what its page loads. Without a login: there is nothing in it but the program itself. */
export function dashboardPages(): { owns(path: string): boolean; handle(exchange: Exchange): Reply } {
  const files = dashboardFiles();
  return {
    owns: (path) => path === '/' || path === '/dashboard' || path.startsWith('/dashboard/'),
    handle({ method, path }) {
      if (method !== 'GET') return reply(405, 'text/plain', 'this path takes GET, HEAD', { allow: 'GET, HEAD' });
      // Whoever types the operators' own address means this.
      if (path === '/') return reply(302, 'text/plain', '', { location: '/dashboard/' });
      const name = path.slice('/dashboard'.length);
      const file = files.get(name);
      if (file) {
        const kept: Record<string, string> = file.immutable
          ? { 'cache-control': 'public, max-age=31536000, immutable' }
          : {};
        return reply(200, file.type, file.text, kept);
      }
      if (name === '' && files.size === 0) return reply(503, 'text/html; charset=utf-8', notBuilt);
      return reply(404, 'text/plain', 'there is nothing at this path');
    },
  };
}

function reply(status: number, type: string, body: string, more: Readonly<Record<string, string>> = {}): Reply {
  const length = String(Buffer.byteLength(body));
  return { status, headers: { ...headers, 'content-type': type, 'content-length': length, ...more }, body };
}
