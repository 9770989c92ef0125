/** The rules of the house that no linter knows. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)

const sources = filesBelow(['packages', 'apps', 'scripts', 'bench']).filter((file) => /\.tsx?$/.test(file))
const isTest = (file: string) =>
  /\.(test|test\.kit|contract|setup)\.tsx?$|test-|\/e2e\/|\/contract\/|^packages\/testing\//.test(file)
const production = sources.filter((file) => !isTest(file))

/** Folder → what its files may import, besides themselves. The first row that fits a file counts. */
const directions: readonly { readonly folder: string; readonly may: readonly RegExp[] }[] = [
  { folder: 'packages/core/src/', may: [] },
  { folder: 'packages/client/src/ports/', may: [/^@holdfast\/core$/] },
  { folder: 'packages/client/src/store/', may: [/^@holdfast\/core$/, /^\.\.\/ports\//] },
  {
    folder: 'packages/client/src/sync/',
    may: [/^@holdfast\/core$/, /^\.\.\/ports\//, /^\.\.\/store\//],
  },
  { folder: 'packages/client/src/', may: [/^(?!@holdfast\/(server|react|testing|yjs))/] },
  { folder: 'packages/server/src/', may: [/^(?!@holdfast\/(client|react|testing|yjs))/] },
  { folder: 'packages/react/src/', may: [/^(?!@holdfast\/(server|testing|yjs))/] },
  { folder: 'packages/yjs/src/', may: [/^@holdfast\/core$/, /^yjs$/] },
  { folder: 'apps/', may: [/^(?!@holdfast\/[a-z]+\/src)/] },
]

test('imports go in the directions of the house', () => {
  const wrong = production.flatMap((file) => {
    const rule = directions.find(({ folder }) => file.startsWith(folder))
    if (rule === undefined) return []
    return importsOf(file)
      .filter((target) => leavesFolder(file, target, rule.folder))
      .filter((target) => !rule.may.some((allowed) => allowed.test(target)))
      .map((target) => `${file} imports ${target}`)
  })
  expect(wrong).toEqual([])
})

/** What only adapters may touch, and the port to name instead. */
const ambient: readonly { readonly pattern: RegExp; readonly port: string }[] = [
  { pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, port: 'Clock' },
  { pattern: /\bMath\.random\(|\bcrypto\.(randomUUID|getRandomValues)\(/, port: 'Random' },
  { pattern: /(?<![.\w])set(Timeout|Interval)\(/, port: 'Timers' },
  { pattern: /(?<![.\w])fetch\(/, port: 'Transport' },
]
const pure = [
  'packages/core/src/',
  'packages/client/src/store/',
  'packages/client/src/sync/',
  'packages/server/src/push/',
  'packages/server/src/pull/',
]

test('time, randomness, timers and network are passed in', () => {
  const wrong = production
    .filter((file) => pure.some((folder) => file.startsWith(folder)))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, index) =>
          ambient
            .filter(({ pattern }) => pattern.test(line) && !/^\s*(\*|\/\/|\/\*)/.test(line))
            .map(({ port }) => `${file}:${index + 1}: use the ${port} that was passed in`),
        ),
    )
  expect(wrong).toEqual([])
})

test('every promise of SPEC.md has a test, and every id in a test is a promise or a law of a source file', () => {
  const promised = [...read('SPEC.md').matchAll(/^\| ([A-Z]+-?\d+) \|/gm)].map((match) => match[1] ?? '')
  const laws = production.flatMap((file) =>
    [...read(file).matchAll(/^ \* ([A-Z]+\d+) {2}/gm)].map((match) => match[1] ?? ''),
  )
  const tested = new Set(
    sources
      .filter((file) => isTest(file) && !file.startsWith('scripts/'))
      .flatMap((file) => [...read(file).matchAll(/\[([A-Z]+-?\d+)\]/g)].map((match) => match[1] ?? '')),
  )
  expect(promised.length).toBeGreaterThan(0)
  expect(promised.filter((id) => !tested.has(id))).toEqual([])
  expect([...tested].filter((id) => !promised.includes(id) && !laws.includes(id)).sort()).toEqual([])
})

function filesBelow(folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && !/node_modules|[\\/]dist([\\/]|$)/.test(entry.parentPath))
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
  )
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8')
}

function importsOf(file: string): readonly string[] {
  return [...read(file).matchAll(/^(?:import|export)[^'"]*?from '([^']+)'|^import '([^']+)'/gm)].map(
    (match) => match[1] ?? match[2] ?? '',
  )
}

function leavesFolder(file: string, target: string, folder: string): boolean {
  if (!target.startsWith('.')) return true
  return !path.posix.join(path.posix.dirname(file), target).startsWith(folder)
}
