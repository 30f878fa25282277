import type { Stack } from '../../compose/stack.ts';

/** How operators prove who they are, where an authorization is to be given. */
export interface OperatorLogin {
  /** What the form asks for. */
  readonly fields: readonly LoginField[];
  /** The operator who logged in, or what to say instead. Guessing is limited here. */
  authenticate(form: URLSearchParams, address: string): Promise<LoginResult>;
  /** Whether whoever logged in may still act. */
  isActive(operator: string): Promise<boolean>;
}

export interface LoginField {
  readonly name: string;
  readonly label: string;
  readonly secret: boolean;
  readonly autocomplete: string;
}

export type LoginResult = { readonly operator: string } | { readonly words: string; readonly status: number };

/** The holder of the admin token, who is the operator `admin`. */
export function adminTokenLogin({ admin }: Stack): OperatorLogin {
  return {
    fields: [{ name: 'token', label: 'Admin token', secret: true, autocomplete: 'off' }],
    async authenticate(form, address) {
      const tokens = form.getAll('token');
      const [token = ''] = tokens;
      const attempt = await admin.attempts.attempt(address, () => tokens.length === 1 && admin.isAdminToken(token));
      if (attempt.result === 'right') return { operator: 'admin' };
      if (attempt.result === 'limited') return { words: 'Too many wrong attempts. Wait a while.', status: 429 };
      return { words: 'That is not the admin token.', status: 401 };
    },
    isActive: async (operator) => operator === 'admin' && admin.configured,
  };
}
