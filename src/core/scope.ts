/** RFC 6749 §3.3: no space, since scopes travel as one list with spaces between them; no quote and no backslash. */
export const scopePattern = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

export const scopeRule = 'a scope is 1 to 128 printable ASCII characters without spaces, quotes and backslashes';
