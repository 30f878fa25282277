export { isSecretOf, type KeyTarget } from './key-target.ts';
export { standingOf, type Standing } from './standing.ts';
export { fileTarget, type FileTarget, type FileTargetOptions } from './file-target.ts';
export { redisTarget, redisKeySeconds, type RedisTargetOptions } from './redis-target.ts';
