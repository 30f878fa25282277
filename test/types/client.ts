/** What a user's code looks like with `countersign/client`; it need only compile. */
import { Agent, interceptors } from 'undici';
import { signingInterceptor } from '../../src/client/index.ts';

const signing = signingInterceptor({ kind: 'api-key', key: 'k' }, { baseUrl: 'http://127.0.0.1:8700' });

/** The major version that is installed here. */
export const dispatcher = new Agent().compose(signing, interceptors.retry());

/** Another one, whose handlers hear something else of a body that was sent: undici 8. */
interface Handler {
  onBodySent?(chunk: Buffer): void;
  onResponseStart?(controller: { readonly aborted: boolean }, status: number): void;
}
type Dispatch = (options: { readonly path: string; readonly method: string }, handler: Handler) => boolean;
declare function compose(interceptor: (dispatch: Dispatch) => Dispatch): void;
compose(signing);

// @ts-expect-error: no dispatcher is composed of it
compose(signingInterceptor);
