export { originsPolicy } from './policy.ts';
