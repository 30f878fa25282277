import type { Handler } from './exchange.ts';

/** Paths, each with its methods; a last segment ':name' stands for one segment. GET answers HEAD, too. */
export type Endpoints = Readonly<Record<string, Readonly<Record<string, Handler>>>>;

/** Null: no such path. `allow`: the path is there, but not for this method (RFC 9110 §15.5.6). */
export type Router = (
  method: string,
  path: string,
) => { readonly handler: Handler; readonly parameter: string } | { readonly allow: string } | null;

export function router(endpoints: Endpoints): Router {
  const exact = new Map<string, Readonly<Record<string, Handler>>>();
  const below = new Map<string, Readonly<Record<string, Handler>>>();
  for (const [path, methods] of Object.entries(endpoints)) {
    const colon = path.indexOf('/:');
    if (colon === -1) exact.set(path, methods);
    else below.set(path.slice(0, colon), methods);
  }
  return (method, path) => {
    const slash = path.lastIndexOf('/');
    const methods = exact.get(path) ?? below.get(path.slice(0, slash));
    if (!methods) return null;
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler) return { handler, parameter: path.slice(slash + 1) };
    const allowed = Object.keys(methods);
    if (allowed.includes('GET')) allowed.push('HEAD');
    return { allow: allowed.join(', ') };
  };
}
