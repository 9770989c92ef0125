import react from '@vitejs/plugin-react'
import { defaultClientConditions, defineConfig } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'

/** Paths that the server answers; all others are screens of the app. */
const serverPaths = ['/sync', '/poke', '/health', '/demo']

export default defineConfig(({ command }) => {
  // Whoever builds may have it set to something else, as test runners do; Vite takes React's development build by it.
  if (command === 'build') process.env.NODE_ENV = 'production'
  return {
    plugins: [
      react(),
      VitePWA({
        registerType: 'prompt', // A new version waits until the person reloads: a form may be half filled in.
        manifest: {
          name: 'Holdfast CRM',
          short_name: 'CRM',
          description: 'Leads that are worked without a network.',
          start_url: '/leads',
          display: 'standalone',
          background_color: '#f6f8fa',
          theme_color: '#0b5cad',
          icons: [
            { src: '/icon-192.png', sizes: '192x192', type: 'image/png' },
            { src: '/icon-512.png', sizes: '512x512', type: 'image/png' },
            { src: '/icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
          ],
        },
        workbox: {
          globPatterns: ['**/*.{html,js,css,wasm,svg,png,webmanifest}'],
          // Parts of SQLite's package that this app never starts, and the engine for Node.
          globIgnores: ['**/sqlite3-worker1*', '**/sqlite3-opfs-async-proxy*', '**/open-direct*'],
          maximumFileSizeToCacheInBytes: 4_000_000,
          navigateFallback: '/index.html',
          navigateFallbackDenylist: serverPaths.map((path) => new RegExp(`^${path}(/|$)`)),
        },
      }),
    ],
    resolve: { conditions: ['@holdfast/source', ...defaultClientConditions] },
    optimizeDeps: { exclude: ['@sqlite.org/sqlite-wasm'] },
    worker: { format: 'es' },
    // These know light-dark() and :dir(); for older ones they would be rewritten into something less.
    build: {
      target: 'es2023',
      cssTarget: ['chrome123', 'safari17.5', 'firefox121'],
      sourcemap: true,
      chunkSizeWarningLimit: 700,
    },
    server: {
      proxy: Object.fromEntries(
        serverPaths.map((path) => [path, process.env.HOLDFAST_SERVER ?? 'http://localhost:3000'] as const),
      ),
    },
  }
})
