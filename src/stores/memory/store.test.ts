import { storeContract } from '../store.contract.ts';
import { memoryStore } from './store.ts';

storeContract('the memory store', {
  shared: false,
  make: async () => ({ store: memoryStore(), another: memoryStore, dispose: async () => {} }),
});
