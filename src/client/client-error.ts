/**
 * key_missing: no key at any of the places looked at. key_unusable: there is something, but no key that could be used.
 * outside_base: the credential would have left baseUrl. body_not_signable: the body cannot be read before it is sent, or is
 * too large. timed_out: no response in time. closed: the client was closed.
 * no_such_service, bad_configuration: the stack's configuration does not say where the service is.
 */
export type ClientErrorCode =
  | 'key_missing'
  | 'key_unusable'
  | 'outside_base'
  | 'body_not_signable'
  | 'timed_out'
  | 'closed'
  | 'no_such_service'
  | 'bad_configuration';

/** What the client itself refuses or gives up. Compare `code`; the message is for people and never holds a secret. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  constructor(code: ClientErrorCode, message: string) {
    super(message);
    // As AbortSignal.timeout() has it, for those who look at the name.
    this.name = code === 'timed_out' ? 'TimeoutError' : 'ClientError';
    this.code = code;
  }
}
