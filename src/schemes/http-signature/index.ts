export { httpSignature, type HttpSignatureOptions } from './scheme.ts';
export { signHttpRequest, type RequestToSign, type SigningKey } from './sign.ts';
export { contentDigest } from './content-digest.ts';
export { nonces, type Nonces } from './nonces.ts';
export { explainHttpSignature, type HeldSignatureKey, type HttpSignatureQuestion } from './explain.ts';
