export { apiKey, type ApiKeyOptions } from './scheme.ts';
export { issueApiKey } from './issue.ts';
export { apiKeyHeaders, type ApiKeyForm } from './sign.ts';
