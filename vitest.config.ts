import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { type Browser, findBrowser } from './scripts/browser.ts'

const conditions = ['@holdfast/source']
const anywhere = ['packages/**', 'scripts/**', 'apps/**', 'bench/**']
const kinds = { postgres: '*.pg.test.ts', browser: '*.web.test.{ts,tsx}', story: '*.e2e.test.ts' }

/** Packages resolve to their sources: tests need no build. */
const inNode = {
  resolve: { conditions },
  ssr: { resolve: { conditions: [...conditions, 'module', 'node', 'development|production'] } },
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        ...inNode,
        test: {
          name: 'unit',
          include: anywhere.map((place) => `${place}/*.test.{ts,tsx}`),
          exclude: ['**/node_modules/**', '**/dist/**', ...Object.values(kinds).map((kind) => `**/${kind}`)],
        },
      },
      {
        ...inNode,
        test: {
          name: 'postgres',
          include: anywhere.map((place) => `${place}/${kinds.postgres}`),
          globalSetup: './scripts/postgres.setup.ts',
          // One cluster for all: a transaction that one file holds open holds the feed of every database in it.
          fileParallelism: false,
        },
      },
      {
        resolve: { conditions: [...conditions, 'module', 'browser', 'development|production'] },
        optimizeDeps: { exclude: ['@sqlite.org/sqlite-wasm'] },
        worker: { format: 'es' },
        test: {
          name: 'browser',
          include: anywhere.map((place) => `${place}/${kinds.browser}`),
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: launchOptions() }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        ...inNode,
        test: {
          name: 'story',
          include: [`apps/**/${kinds.story}`],
          globalSetup: './scripts/postgres.setup.ts',
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 }, // After all others: it drives whole browsers and wants both cores.
        },
      },
    ],
  },
})

/** Without a browser the other projects still run; this one then fails, after the reason was said. */
function launchOptions(): Partial<Browser> {
  try {
    return findBrowser()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return {}
  }
}
