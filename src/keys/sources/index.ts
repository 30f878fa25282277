export type { FoundKey, KeyedService, KeySource, SessionStore } from './key-source.ts';
export { envFiles } from './env-files.ts';
export { secretFiles } from './secret-files.ts';
export { redisKeys } from './redis-keys.ts';
export { masterSeal, MasterKeyError } from './master-key.ts';
export { authoritySource, type AuthoritySource, type AuthoritySourceOptions } from './authority.ts';
