export { override, overrideHeader, type OverrideOptions } from './scheme.ts';
