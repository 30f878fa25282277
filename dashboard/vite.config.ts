import { defineConfig } from 'vite';

export default defineConfig({
  base: '/dashboard/',
  // The policy of the page allows no inline script, so nothing is inlined: not assets, and not the polyfill for preloads.
  build: { assetsInlineLimit: 0, modulePreload: false, target: 'es2023', sourcemap: false },
});
