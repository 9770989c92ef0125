import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, defaultClientConditions } from 'vite'
import type { Line, Result } from './harness/bench.ts'
import { figure } from './harness/measure.ts'

export const name = 'size'
export const question = 'What an app downloads: JavaScript by entry, minified and gzipped.'

interface Entry {
  readonly name: string
  readonly code: string
  /** Counted by nobody or by another line. */
  readonly external: readonly RegExp[]
  readonly kilobytesMax: number | null
}

const entries: readonly [Entry, ...Entry[]] = [
  {
    name: 'client on the main thread, without Kysely',
    code: "export { openClient } from '@holdfast/client'",
    external: [/^kysely/],
    kilobytesMax: 25,
  },
  {
    name: 'React binding: the hooks',
    code: "export { createHooks } from '@holdfast/react'",
    external: [/^react/, /^kysely/, /^@holdfast\/(client|core)/],
    kilobytesMax: 3,
  },
  {
    name: 'React binding with the sync badge and its sheet',
    code: "export * from '@holdfast/react'",
    external: [/^react/, /^kysely/, /^@holdfast\/(client|core)/],
    kilobytesMax: null,
  },
  {
    name: 'React binding: conflicts, inbox and history, without the above',
    code: "export * from '@holdfast/react/conflicts'; export * from '@holdfast/react/inbox'; export * from '@holdfast/react/history'",
    external: [/^react/, /^kysely/, /^@holdfast\/(client|core)/, /\/react\/src\/sync\//],
    kilobytesMax: null,
  },
  {
    name: 'worker, without SQLite',
    code: "export { startWorker } from '@holdfast/client/worker'",
    external: [/^@sqlite\.org/],
    kilobytesMax: null,
  },
  { name: 'Kysely', code: "export { Kysely, sql } from 'kysely'", external: [], kilobytesMax: null },
]

export async function run(): Promise<Result> {
  const [first, ...rest] = entries
  const lines: [Line, ...Line[]] = [await lineOf(first)]
  for (const entry of rest) lines.push(await lineOf(entry))
  return {
    lines,
    notes: [
      'Built by Vite for es2023, minified, gzip level 9; 1 kB = 1,000 bytes. An app that uses less of it ships less.',
    ],
  }
}

async function lineOf(entry: Entry): Promise<Line> {
  const bytes = gzipSync(await bundle(entry), { level: 9 }).byteLength
  return {
    name: entry.name,
    unit: 'kB gzip',
    ours: figure([bytes / 1000]),
    limit: null,
    target: entry.kilobytesMax === null ? { kind: 'none' } : { kind: 'absolute', max: entry.kilobytesMax },
  }
}

/** What is loaded at once: the entry and what it imports; not what it may import later (a tab never loads the engine). */
async function bundle({ code, external }: Entry): Promise<string> {
  const virtual = path.resolve(import.meta.dirname, 'size-entry.ts')
  const built = await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['@holdfast/source', ...defaultClientConditions] },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === virtual ? virtual : null),
        load: (id) => (id === virtual ? code : null),
      },
    ],
    build: {
      write: false,
      target: 'es2023',
      minify: true,
      lib: { entry: virtual, formats: ['es'], fileName: 'entry' },
      rolldownOptions: { external: [...external] },
    },
  })
  const outputs = Array.isArray(built) ? built : [built]
  const chunks = new Map(
    outputs
      .flatMap((output) => ('output' in output ? output.output : []))
      .flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file] as const] : [])),
  )
  const wanted = new Set([...chunks.values()].filter((chunk) => chunk.isEntry).map((chunk) => chunk.fileName))
  for (const fileName of wanted) for (const imported of chunks.get(fileName)?.imports ?? []) wanted.add(imported)
  return [...wanted].map((fileName) => chunks.get(fileName)?.code ?? '').join('\n')
}
