/** Of the contract: where snapshots lie, and how they are read. A part of server-store.contract.ts. */
import { type Json, pageBytesMax, parseSnapshotId, type RecordId } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import type { Page, PageRequest, ServerStore } from '../ports/server-store.ts'
import type { PressedSnapshot, ShelfBounds, SnapshotShelf } from '../ports/snapshot-shelf.ts'
import { leadsSchema, liveRecord, saveLeads } from './leads.ts'
import { beginning, rowsOf } from './replica.ts'

export function describeSnapshotShelf(opened: () => ServerStore): void {
  const shelf = (): SnapshotShelf => opened().snapshots()
  const save = (name: string, ids: readonly RecordId[]) =>
    opened().transact((tx) => saveLeads(tx, new Map(ids.map((id) => [id, () => ({ owner: 'x', name, visits: 0 })]))))
  const remove = (ids: readonly RecordId[]) =>
    opened().transact((tx) => saveLeads(tx, new Map(ids.map((id) => [id, () => null]))))
  const put = (key: string, snapshot: PressedSnapshot) =>
    shelf().make({ key, request: request(100) }, async () => snapshot)
  const isThere = async ({ id }: PressedSnapshot, key: string) =>
    (await shelf().part({ id, key, part: 0, sinceMs: 0 }, 'zstd')) !== null

  describe('snapshots', () => {
    test('[SH2] the pages of a making show one snapshot, whatever is written between them, column by column', async () => {
      await save('before', ids(30))
      const pages: Page[] = []
      await shelf().make({ key: 'k', request: request(10) }, async (read) => {
        for await (const page of read) {
          pages.push(page)
          if (pages.length > 1) continue
          await save('after', ['lead-00', 'lead-29', 'lead-30'])
          await remove(['lead-01', 'lead-28'])
        }
        return null
      })
      expect(pages.map(({ more }) => more)).toEqual([true, true, false])
      expect(pages[0]?.remaining).toBe(30)
      const found = pages.flatMap(({ changes }) => changes.flatMap(({ rows }) => transposed(rows)))
      expect(found.map(([id, version, , , , name]) => [id, version, name]).sort()).toEqual(
        ids(30).map((id) => [id, 1, 'before']),
      )
      // Who goes on from there gets what came between.
      const [last] = pages.slice(-1)
      if (last === undefined) throw new Error('There was no page.')
      const { positions, leaving, seen } = last
      const next = await opened().readPage({ ...request(100), positions, leaving, seen })
      expect(next.changes.flatMap(({ rows }) => rowsOf(rows).map(([id]) => id)).sort()).toEqual([
        'lead-00',
        'lead-29',
        'lead-30',
      ])
      expect(next.changes.flatMap(({ gone }) => gone.map(({ record }) => record)).sort()).toEqual([
        'lead-01',
        'lead-28',
      ])
    })

    test('[SH2] [PW1] who goes on by pages after any of its pages gets the rest: of several scopes and collections', async () => {
      const scopes = ['agent:x', 'agent:y', 'team:z']
      await opened().transact(async (tx) => {
        const things = ids(12).map((id, n) => ({ id: `t${id}`, collection: 'things', scope: scopes[n % 3] ?? '' }))
        const leads = ids(12).map((id, n) => ({ id, collection: 'leads', scope: scopes[(n + 1) % 3] ?? '' }))
        // One record lies in two of them.
        const twice = { id: 'lead-00', collection: 'leads', scope: scopes[0] ?? '' }
        for (const [name, fields] of [
          ['things', { text: 'x' }],
          ['leads', { owner: 'x', name: 'n', visits: 0 }],
        ] as const) {
          const own = [...things, ...leads].filter(({ collection }) => collection === name)
          const values = Object.fromEntries(
            Object.keys(leadsSchema.collections[name].fields).map((field) => [field, null as Json]),
          )
          await tx.write(name, new Map(own.map(({ id }) => [id, liveRecord(1, { ...values, ...fields })])))
        }
        const mixed = [...things.flatMap((thing, n) => [thing, leads[n] ?? thing]), twice]
        await tx.feed(
          mixed.map(({ id, collection, scope }) => ({
            ...{ scope, collection, record: id, version: 1, bytes: 9 },
            state: 'present' as const,
          })),
        )
      })
      const whole = { ...request(5), positions: scopes.map(beginning) }
      const pages: Page[] = []
      await shelf().make({ key: 'k', request: whole }, async (read) => {
        for await (const page of read) pages.push(page)
        return null
      })
      expect(pages.length).toBeGreaterThan(4)
      const all = [...ids(12), ...ids(12).map((id) => `t${id}`)].sort()
      let before: readonly unknown[] = []
      for (const page of pages) {
        before = [...before, ...page.changes.flatMap(({ rows }) => transposed(rows).map(([id]) => id))]
        const { positions, leaving, seen } = page
        const next = await opened().readPage({ ...request(100), positions, leaving, seen })
        const rest = next.changes.flatMap(({ rows }) => rowsOf(rows).map(([id]) => id))
        expect([...new Set([...before, ...rest])].sort()).toEqual(all)
        expect(rest.length).toBeLessThan(all.length)
      }
      expect(new Set(before)).toEqual(new Set(all))
    })

    test('[SH2] every kind of value stands in its column as in a row of a page', async () => {
      const fields = Object.fromEntries(
        Object.keys(leadsSchema.collections.things.fields).map((name) => [name, null as Json]),
      )
      const odd = {
        ...fields,
        text: 'é"\\\n\u{1F98A}',
        real: 0.1,
        boolean: true,
        json: { b: [1, 'x'], a: null },
        set: ['a', 'b'],
      }
      await opened().transact(async (tx) => {
        await tx.write(
          'things',
          new Map([
            ['t1', liveRecord(1, odd)],
            ['t2', liveRecord(1, fields)],
          ]),
        )
        const entry = { scope: 'all', collection: 'things', version: 1, state: 'present', bytes: 9 } as const
        await tx.feed(['t1', 't2'].map((record) => ({ ...entry, record })))
      })
      const page = await opened().readPage(request(100))
      const pages: Page[] = []
      await shelf().make({ key: 'k', request: request(1) }, async (read) => {
        for await (const one of read) pages.push(one)
        return null
      })
      const byId = (rows: readonly (readonly Json[])[]) => new Map(rows.map((row) => [row[0], row]))
      const inColumns = pages.flatMap(({ changes }) => changes.flatMap(({ rows }) => transposed(rows)))
      expect(JSON.stringify([...byId(inColumns)].sort())).toBe(
        JSON.stringify([...byId(page.changes.flatMap(({ rows }) => [...rowsOf(rows)]))].sort()),
      )
    })

    test('[SH1] a snapshot is there when it is whole, and not when its making came to nothing', async () => {
      const snapshot = made(1, { parts: ['a', 'b'] })
      await shelf().make({ key: 'k', request: request(10) }, async () => {
        expect(await shelf().newest('k', 0)).toBe(null)
        return snapshot
      })
      expect(await shelf().newest('k', 0)).toEqual({ id: snapshot.id, parts: 2, rows: 7 })
      const part = await shelf().part({ id: snapshot.id, key: 'k', part: 1, sinceMs: 0 }, 'zstd')
      expect(part?.encoding).toBe('zstd')
      expect(Buffer.from(part?.bytes ?? []).toString()).toBe('b')
      expect(await shelf().make({ key: 'none', request: request(10) }, async () => null)).toBe(true)
      expect(await shelf().newest('none', 0)).toBe(null)
      const failing = shelf().make({ key: 'fails', request: request(10) }, async () => {
        throw new Error('made to fail')
      })
      await expect(failing).rejects.toThrow(/made to fail/)
      expect(await shelf().newest('fails', 0)).toBe(null)
      expect(await put('fails', made(2))).toBe(true)
    })

    test('[SH3] of makings of one key one runs at a time; others run beside it', async () => {
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let begin = () => {}
      const begun = new Promise<void>((resolve) => {
        begin = resolve
      })
      const first = shelf().make({ key: 'k', request: request(10) }, async () => {
        begin()
        await held
        return made(1)
      })
      await begun
      const second = await shelf().make({ key: 'k', request: request(10) }, async () => {
        throw new Error('It must not run.')
      })
      expect(second).toBe(false)
      expect(await put('other', made(2))).toBe(true)
      release()
      expect(await first).toBe(true)
      expect(await put('k', made(3))).toBe(true)
    })

    test('[SH4] a part is found under its key, and while it is young enough', async () => {
      const snapshot = made(1, { madeAtMs: 1_000 })
      await put('k', snapshot)
      const address = { id: snapshot.id, key: 'k', part: 0, sinceMs: 1_000 }
      expect(await shelf().part(address, 'zstd')).not.toBe(null)
      expect(await shelf().part({ ...address, key: 'K' }, 'zstd')).toBe(null)
      expect(await shelf().part({ ...address, part: 1 }, 'zstd')).toBe(null)
      expect(await shelf().part({ ...address, id: made(2).id }, 'zstd')).toBe(null)
      expect(await shelf().part({ ...address, sinceMs: 1_001 }, 'zstd')).toBe(null)
      expect(await shelf().newest('k', 1_001)).toBe(null)
      expect(await shelf().newest('K', 0)).toBe(null)
    })

    test('a part is kept in another encoding, once, of a snapshot that is there under its key', async () => {
      const snapshot = made(1)
      await put('k', snapshot)
      const address = { id: snapshot.id, key: 'k', part: 0, sinceMs: 0 }
      const gzip = { encoding: 'gzip', bytes: Buffer.from('gzipped') } as const
      await shelf().keep({ ...address, key: 'K' }, gzip)
      await shelf().keep({ ...address, id: made(2).id }, gzip)
      expect((await shelf().part(address, 'gzip'))?.encoding).toBe('zstd')
      await shelf().keep(address, gzip)
      await shelf().keep(address, { ...gzip, bytes: Buffer.from('again') })
      const part = await shelf().part(address, 'gzip')
      expect([part?.encoding, Buffer.from(part?.bytes ?? []).toString()]).toEqual(['gzip', 'gzipped'])
      expect((await shelf().part(address, 'zstd'))?.encoding).toBe('zstd')
    })

    test.each<{ readonly name: string; readonly bounds: Partial<ShelfBounds>; readonly kept: readonly number[] }>([
      { name: 'all of them fit', bounds: {}, kept: [1, 2, 3] },
      { name: 'too old', bounds: { sinceMs: 2_000 }, kept: [2, 3] },
      { name: 'too many: the newest stay', bounds: { snapshotsMax: 1 }, kept: [3] },
      // Of 10 bytes each, and 10 more in another encoding of the second.
      { name: 'too large together: the newest stay', bounds: { bytesMax: 25 }, kept: [3] },
      { name: 'an old one leaves room', bounds: { bytesMax: 30, sinceMs: 2_000 }, kept: [2, 3] },
      { name: 'none at all', bounds: { bytesMax: 0 }, kept: [] },
    ])('[SH5] trimmed: $name', async ({ bounds, kept }) => {
      const snapshots = [1, 2, 3].map((n) => made(n, { madeAtMs: n * 1_000, parts: ['0123456789'] }))
      for (const snapshot of snapshots) await put(snapshot.id, snapshot)
      const [, second] = snapshots
      if (second === undefined) throw new Error('There are three.')
      const other = { encoding: 'gzip', bytes: Buffer.from('0123456789') } as const
      await shelf().keep({ id: second.id, key: second.id, part: 0, sinceMs: 0 }, other)
      await shelf().trim({ sinceMs: 0, snapshotsMax: 3, bytesMax: 40, ...bounds })
      const there = await Promise.all(snapshots.map((snapshot) => isThere(snapshot, snapshot.id)))
      expect([1, 2, 3].filter((_, index) => there[index])).toEqual(kept)
    })
  })
}

function ids(count: number): readonly RecordId[] {
  return Array.from({ length: count }, (_, n) => `lead-${String(n).padStart(2, '0')}`)
}

function request(rowsMax: number): PageRequest {
  return { positions: [beginning('all')], leaving: [], seen: null, rowsMax, bytesMax: pageBytesMax }
}

function made(n: number, { madeAtMs = n, parts = ['x'] } = {}): PressedSnapshot {
  const id = parseSnapshotId(String(n).padStart(32, '0'))
  return { id, madeAtMs, rows: 7, parts: parts.map((text) => ({ encoding: 'zstd', bytes: Buffer.from(text) })) }
}

function transposed(text: string): readonly (readonly Json[])[] {
  const columns = rowsOf(text)
  return (columns[0] ?? []).map((_, row) => columns.map((column) => column[row] ?? null))
}
