import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Lock {
  readonly packages: Record<string, { readonly resolved?: string; readonly link?: boolean }>
}

test('package-lock.json names no registry host, so that any mirror can serve it', () => {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as Lock
  const named = Object.values(lock.packages).filter((entry) => entry.resolved !== undefined && entry.link !== true)
  expect(named.filter((entry) => !entry.resolved?.startsWith('https://registry.npmjs.org/'))).toEqual([])
})

test('tests run on a Node that strips types and has node:sqlite', async () => {
  expect(process.features.typescript).toBe('strip')
  expect((await import('node:sqlite')).DatabaseSync).toBeTypeOf('function')
})
