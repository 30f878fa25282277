import { z } from 'zod';
import { address } from './schema-oauth.ts';
import { file, scope, some } from './schema-words.ts';

const claim = z.string().regex(/^[A-Za-z0-9_:/.-]{1,128}$/, { error: 'write the name of a claim: groups' });
const values = some(z.string().min(1).max(256), 'nobody');

/** Who may log in at the dashboard, and decide what clients may, besides the accounts that are made here. */
export const operators = z.strictObject({
  openid: z
    .strictObject({
      issuer: address.describe('The provider, exactly as its metadata names it.'),
      clientId: z.string().min(1).max(512).describe('What this stack is called there.'),
      clientSecretFile: file
        .optional()
        .describe('File that holds the secret of this client; a final line break is not part of it. Default none.'),
      scopes: some(scope, 'openid alone').optional().describe('What is asked for besides openid; default nothing.'),
      nameClaim: claim
        .optional()
        .describe('Claim by which a person is called here, with openid: before it; default sub.'),
      roleClaim: claim.describe('Claim of the ID token, a text or a list of texts, that says what somebody may here.'),
      roles: z
        .strictObject({
          operator: values.optional().describe('Values of roleClaim that make an operator.'),
          viewer: values.optional().describe('Values of roleClaim that make a viewer.'),
        })
        .meta({ minProperties: 1 })
        .describe('Who may what; whoever has none of these values is refused.'),
    })
    .optional()
    .describe('An OpenID provider at which operators log in.'),
});
