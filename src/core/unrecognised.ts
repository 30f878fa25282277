import { presented } from './bearer.ts';
import type { AuthRequest } from './request.ts';
import { deny, type Denied } from './verdict.ts';

/** No scheme knew the credential: say what is true of it. Something presented is never answered as if nothing were. */
export function unrecognised(request: AuthRequest, authorization: 'ours' | 'upstream'): Denied {
  const found = presented(request, authorization);
  switch (found.kind) {
    case 'malformed':
      return deny('malformed_credentials', found.note);
    case 'bearer':
      return deny(
        'invalid_credentials',
        'the Bearer token is unknown here, or of a kind this service does not accept',
        {
          presentedAs: 'bearer',
        },
      );
    case 'dpop':
      return deny(
        'malformed_credentials',
        'Authorization is of the form "DPoP <token>", which this service does not accept',
      );
    case 'x-api-key':
      return deny('invalid_credentials', 'the x-api-key is unknown here, or this service does not accept API keys', {
        presentedAs: 'x-api-key',
      });
    case 'none':
      return deny('missing_credentials', 'the request carries no credential of a kind this service accepts');
  }
}
