export { sessionToken, type SessionTokenOptions } from './scheme.ts';
