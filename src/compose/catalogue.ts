import type { SchemeName } from './config.ts';

/** The schemes of this build, by the names that `accept` knows. */
export const builtSchemes: readonly SchemeName[] = ['service-signature', 'api-key', 'session-token'];
