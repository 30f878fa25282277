export { explainSignature, type SignatureAnswer, type SignatureQuestion } from './explain.ts';
export { serviceSignature, type ReplayCheck, type ServiceSignatureOptions } from './scheme.ts';
export { isServiceId } from './format.ts';
export { signServiceRequest, type ServiceRequest, type SignedServiceRequest } from './sign.ts';
