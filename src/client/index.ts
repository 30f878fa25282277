/** countersign/client: calls other services with the credential added. */
export { authHeaders, type AuthHeadersOptions } from './auth-headers.ts';
export { ClientError, type ClientErrorCode } from './client-error.ts';
export type {
  ApiKeyCredential,
  ClientCertificateCredential,
  HttpSignatureCredential,
  ServiceCredential,
  ServiceSignatureCredential,
} from './credential.ts';
export {
  createClient,
  createServiceClientFromEnv,
  stackClients,
  type EnvironmentOptions,
  type StackClientOptions,
} from './env.ts';
export type { HeaderRequest } from './proven-headers.ts';
export type { ClientTls } from './connections.ts';
export { createServiceClient, type ServiceClient, type ServiceClientOptions } from './service-client.ts';
export { signingInterceptor, type SigningInterceptor, type SigningInterceptorOptions } from './signing-interceptor.ts';
