export { openSocketsPolicy, toolsPolicy } from './policy.ts';
