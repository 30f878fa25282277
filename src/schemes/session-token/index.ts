export { sessionToken, type SessionTokenOptions } from './scheme.ts';
export { issueSessionToken } from './issue.ts';
export { sessionTokenHeaders } from './sign.ts';
