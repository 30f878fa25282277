export { routesPolicy } from './policy.ts';
