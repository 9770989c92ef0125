/** Long values through the server, on a given store: whatever a scope holds, its devices can pull it. */
import { pageBytesMax } from '@holdfast/core'
import type { Page, StoreFactory } from '@holdfast/server'
import { describe, expect, test } from 'vitest'
import { createMergingWorld, decisionsAbout, startMs } from '../support/merging-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { inWords } from '../support/wire-device.ts'

export function describeLongRows(store: StoreKind): void {
  describe(store.name, () => {
    test('[I-16] long rows, and decisions that dropped long values, come in pages of bounded size', async ({
      onTestFinished,
    }) => {
      const pages: Page[] = []
      const world = await createMergingWorld(store, onTestFinished, { around: (factory) => noting(factory, pages) })
      const [ann, ben] = [world.device('ann@red'), world.device('ben@red')]
      const long = (n: number) => `${n} ${'x'.repeat(900_000)}`
      for (let n = 0; n < 24; n += 1) {
        const fields = { team: 'red', title: long(n) }
        ann.write({ collection: 'fields', record: `long-${n}`, kind: 'create', fields, at: startMs })
        if (n % 6 === 5) await ann.sync()
      }
      ann.write({ collection: 'lww', record: 'x', kind: 'create', fields: { team: 'red' }, at: startMs })
      await ann.sync()
      await ben.sync()
      ann.write({ collection: 'lww', record: 'x', kind: 'update', fields: { title: long(0) }, at: startMs + 500_000 })
      await ann.sync()
      // Each of a few bytes, and each keeps the long value as the side that stood against it.
      const edits = Array.from({ length: 24 }, (_, n) =>
        ben.write({ collection: 'lww', record: 'x', kind: 'update', fields: { title: `edit ${n}` }, at: startMs + n }),
      ).flat()
      expect(new Set((await ben.sync(edits)).map(inWords))).toEqual(new Set(['merged -title']))

      const late = world.device('late@red')
      pages.length = 0
      await late.sync()
      expect(late.held('fields').size).toBe(24)
      expect(late.held('fields').get('long-23')?.values.fields.title).toBe(long(23))
      const met = decisionsAbout(late, 'lww', 'x')
      expect(met.map(({ local }) => local).sort()).toEqual(edits.map(({ fields }) => fields.title).sort())
      for (const { result } of met) expect(result).toBe(long(0))
      expect(pages.length).toBeGreaterThan(5)
      for (const page of pages) expect(bytesOf(page)).toBeLessThan(pageBytesMax * 1.01)
    })
  })
}

function noting(factory: StoreFactory, pages: Page[]): StoreFactory {
  return (schema) => {
    const store = factory(schema)
    return {
      ...store,
      readPage: async (request) => {
        const page = await store.readPage(request)
        pages.push(page)
        return page
      },
    }
  }
}

function bytesOf({ changes }: Page): number {
  return changes.reduce((sum, { rows }) => sum + rows.length, 0)
}
