export { apiKey, type ApiKeyOptions } from './scheme.ts';
export { apiKeyHeaders, type ApiKeyForm } from './sign.ts';
