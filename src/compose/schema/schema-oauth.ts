import { z } from 'zod';
import { duration, scope, some } from './schema-words.ts';

export const origin = z.string().regex(/^https?:\/\/[a-z0-9.:[\]-]+$/, {
  error: 'write an origin in lower case, without a path: https://app.example.org',
});
export const address = z.string({ error: 'write an address: https://auth.example.org' });

/** What a service says of the access tokens that it takes. */
export const serviceOauth = z.strictObject({
  resource: address
    .optional()
    .describe(
      'Address that callers see, for which tokens must be made; default publicUrl and the name of the service.',
    ),
  scopes: some(scope, 'none').optional().describe('Scopes that a client is told to ask for first.'),
  issuers: some(address, 'every issuer')
    .optional()
    .describe('Issuers whose tokens count here; default all of the stack.'),
  dpop: z
    .enum(['accepted', 'required'])
    .optional()
    .describe('required: only tokens that are bound to a key of their holder (RFC 9449); default accepted.'),
});

/** Whose access tokens count. */
export const stackOauth = z.strictObject({
  issuers: some(
    z.strictObject({
      issuer: address.describe('Name of the issuer, exactly as its tokens have it in iss.'),
      jwksUri: address.optional().describe('Where its keys are; default as its metadata says.'),
    }),
    'none',
  )
    .optional()
    .describe('Authorization servers elsewhere whose access tokens count.'),
  server: z
    .strictObject({
      issuer: address
        .optional()
        .describe('Origin under which it is reached; its host is one of adminHosts. Default adminListen.'),
      accessTokenTtl: duration.optional().describe('Life of an access token; default 5m.'),
      refreshTokenTtl: duration.optional().describe('How long a login lasts unused; default 30d.'),
      registration: z.boolean().optional().describe('Let clients register themselves (RFC 7591); default false.'),
      registeredClientTtl: duration
        .optional()
        .describe('How long a client that registered itself is kept after its last use; default 90d.'),
      metadataDocuments: z
        .boolean()
        .optional()
        .describe('Take the URL of a document that describes the client for its id; default true.'),
    })
    .optional()
    .describe('The embedded authorization server, on the admin side; default none. {} for its defaults.'),
});
