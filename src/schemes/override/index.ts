export { override, type OverrideOptions } from './scheme.ts';
