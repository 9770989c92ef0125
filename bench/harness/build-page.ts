/** Builds the page of the browser benches as an app is built for production. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { build, defaultClientConditions } from 'vite'

const root = path.resolve(import.meta.dirname, '../page')
const outDir = path.resolve(import.meta.dirname, '../dist/page')
const entries = ['index', 'cold-raw', 'cold-ours', 'cold-dexie']

let built: Promise<string> | null = null

/** Answers the directory; built once per run. */
export function buildPage(): Promise<string> {
  built ??= run()
  return built
}

async function run(): Promise<string> {
  rmSync(outDir, { recursive: true, force: true })
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    resolve: { conditions: ['@holdfast/source', ...defaultClientConditions] },
    worker: { format: 'es' },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2023',
      rolldownOptions: { input: entries.map((name) => path.join(root, `${name}.html`)) },
    },
  })
  return outDir
}
