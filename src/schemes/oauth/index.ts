export { oauth, type OauthOptions } from './scheme.ts';
export type { TokenIssuer, IssuedTo } from './issuer.ts';
export { remoteIssuer, type RemoteIssuerOptions } from './remote-issuer.ts';
export { keyFinder, ALGORITHMS } from './key-set.ts';
