/** The header that carries the token, by lower-case name. */
export function sessionTokenHeaders(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
