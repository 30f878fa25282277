import type { Handler } from './exchange.ts';

/** Paths, each with its methods; ':name' stands for one segment, once in a path. GET answers HEAD, too. */
export type Endpoints = Readonly<Record<string, Methods>>;

type Methods = Readonly<Record<string, Handler>>;

/** Null: no such path. `allow`: the path is there, but not for this method (RFC 9110 §15.5.6). */
export type Router = (
  method: string,
  path: string,
) => { readonly handler: Handler; readonly parameter: string } | { readonly allow: string } | null;

export function router(endpoints: Endpoints): Router {
  const exact = new Map<string, Methods>();
  const open: { readonly before: string; readonly behind: string; readonly methods: Methods }[] = [];
  for (const [path, methods] of Object.entries(endpoints)) {
    const [before = '', rest] = path.split(':', 2);
    if (rest === undefined) exact.set(path, methods);
    else open.push({ before, behind: rest.replace(/^[^/]*/, ''), methods });
  }

  function found(path: string): { readonly methods: Methods; readonly parameter: string } | null {
    const methods = exact.get(path);
    if (methods) return { methods, parameter: '' };
    for (const { before, behind, methods: own } of open) {
      const length = path.length - before.length - behind.length;
      if (length < 0 || !path.startsWith(before) || !path.endsWith(behind)) continue;
      const parameter = path.slice(before.length, before.length + length);
      if (!parameter.includes('/')) return { methods: own, parameter };
    }
    return null;
  }

  return (method, path) => {
    const here = found(path);
    if (!here) return null;
    const { methods, parameter } = here;
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler) return { handler, parameter };
    const allowed = Object.keys(methods);
    if (allowed.includes('GET')) allowed.push('HEAD');
    return { allow: allowed.join(', ') };
  };
}
