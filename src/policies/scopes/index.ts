export { scopesPolicy } from './policy.ts';
