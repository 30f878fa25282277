/**
 * Of a stored key or token: the record, which is JSON and never rewritten, and beside it what is set alone and later. Lua would
 * lose fractions of numbers and the difference between an empty list and an empty map.
 */
export const recordFields = ['record', 'revokedAt', 'expiresAt', 'settled'] as const;
