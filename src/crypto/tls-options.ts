import { constants } from 'node:crypto';

/**
 * For every TLS listener: version 1.2 (RFC 9325 §3.1.1) or newer, no renegotiation, and no resumption, since a resumed session
 * keeps what was once found of a certificate, whatever authorities are trusted by now.
 */
export const listenerTlsOptions = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  handshakeTimeout: 15_000,
} as const;
