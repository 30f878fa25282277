export { addressesPolicy } from './policy.ts';
