export { toolsPolicy } from './policy.ts';
