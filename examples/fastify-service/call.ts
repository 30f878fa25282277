/**
 * Calls the service as another one would:
 *   SERVICE_ID=hybrid SERVICE_KEY_FILE=keys/hybrid.env node call.ts URL TEXT…      signs as hybrid
 *   EMBEDDINGS_API_KEY_FILE=keys/embeddings_api_key node call.ts URL TEXT…         shows the key of embeddings
 */
// In a project of your own: from 'countersign/client'.
import { createServiceClientFromEnv } from '../../src/client/index.ts';

const [url = '', ...texts] = process.argv.slice(2);
const embeddings = createServiceClientFromEnv({ service: 'embeddings', baseUrl: url });

const response = await embeddings.fetch(`${url}/embed`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ texts }),
});
console.error(`HTTP ${response.status}`);
console.log(await response.text());
await embeddings.close();
