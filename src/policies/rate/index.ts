export { ratePolicy } from './policy.ts';
