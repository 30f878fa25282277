import type { AuthRequest } from './request.ts';

/** W3C Trace Context, version 00 and what later ones begin with; parts: version, trace id, parent id, flags, the rest. */
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The trace that the caller says this request belongs to; null without one, or when it is malformed. */
export function traceIdIn(request: Pick<AuthRequest, 'fields'>): string | null {
  const lines = request.fields('traceparent');
  if (lines.length !== 1) return null;
  const [, version, traceId, parentId, , rest] = form.exec(lines[0] ?? '') ?? [];
  if (traceId === undefined || parentId === undefined || version === 'ff') return null;
  if (version === '00' && rest !== undefined) return null;
  return /[^0]/.test(traceId) && /[^0]/.test(parentId) ? traceId : null;
}
