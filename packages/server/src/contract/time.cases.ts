/** Of the contract: the lives of a database, and what it forgets. A part of server-store.contract.ts. */
import {
  type Conflict,
  collection,
  conflictRow,
  type DeviceId,
  defineSchema,
  pageBytesMax,
  parseDeviceId,
  parseOperationId,
  parseUserId,
  type RecordId,
  type Schema,
  type ServerRecord,
  t,
} from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import type { ServerStore, StoreTransaction } from '../ports/server-store.ts'
import { leadsSchema, liveRecord, type NextLead, saveLeads } from './leads.ts'
import { beginning, rowsOf } from './replica.ts'

interface Opened {
  readonly store: () => ServerStore
  readonly reopen: (schema?: Schema) => Promise<ServerStore>
}

export function describeTime({ store: opened, reopen }: Opened): void {
  const save = (changes: readonly (readonly [RecordId, NextLead])[]) =>
    opened().transact((tx) => saveLeads(tx, new Map(changes)))
  const loadLead = async (id: RecordId) => (await opened().transact((tx) => tx.load('leads', [id]))).get(id)
  const pageOf = async (scope: string) => {
    const page = { positions: [beginning(scope)], leaving: [], seen: null, rowsMax: 100, bytesMax: pageBytesMax }
    const { changes } = await opened().readPage(page)
    return changes
      .flatMap(({ rows, gone }) => [
        ...rowsOf(rows).map(([id]) => String(id)),
        ...gone.map(({ record, why }) => `${record} ${why}`),
      ])
      .sort()
  }

  describe('lives', () => {
    test('[SS8] a database has one life from its making, whatever is written and however often it is opened', async () => {
      const first = await opened().standing()
      expect(first).toMatchObject({ generation: opened().generation(), prunedDay: 0 })
      expect([...first.ancestors]).toEqual([])
      await save([['a', () => lead('x')]])
      const again = await reopen()
      expect((await again.standing()).generation).toBe(first.generation)
      expect((await again.standing()).horizon).toBeGreaterThan(first.horizon)
    })

    test('[SS8] [I-9] another life knows the one before and how far the two are the same, after a restart too', async () => {
      const { generation: first, bornMs: firstBornMs } = await opened().standing()
      const [before] = await save([['a', () => lead('x')]])
      await opened().noteDay(1)
      const { horizon } = await opened().standing()
      const second = await opened().startGeneration({ fork: 'head', after: null })
      expect(second).not.toBe(first)
      expect(opened().generation()).toBe(second)
      const known = (await opened().standing()).ancestors
      expect([...known.keys()]).toEqual([first])
      expect(known.get(first)).toBeGreaterThanOrEqual(before?.place ?? 0)
      expect(known.get(first)).toBeLessThanOrEqual(horizon)

      const third = await opened().startGeneration({ fork: 'unknown', after: second })
      const { bornMs } = await opened().standing()
      const store = await reopen()
      expect(store.generation()).toBe(third)
      expect(await store.standing()).toMatchObject({ bornMs })
      expect(bornMs).toBeGreaterThanOrEqual(firstBornMs)
      expect(firstBornMs).toBeGreaterThan(0)
      expect([...(await store.standing()).ancestors]).toEqual([
        [second, 0],
        [first, 0],
      ])
      expect(await pageOf('all')).toEqual(['a'])
    })

    test('[SS8] of several that found the same, one starts a life and the others are told it', async () => {
      const first = opened().generation()
      const started = await Promise.all(
        [1, 2, 3].map(() => opened().startGeneration({ fork: 'unknown', after: first })),
      )
      expect(new Set(started).size).toBe(1)
      expect([...(await opened().standing()).ancestors.keys()]).toEqual([first])
    })
  })

  describe('what is forgotten', () => {
    /** On day 10 what was done so far is noted; from now on everything before day 11 may go. */
    const forget = async () => {
      await opened().noteDay(10)
      await opened().forgetBefore(11)
    }

    test('[SS9] [I-24] deletions and what left, of before the day; what is present and what is newer stays', async () => {
      await save([
        ['kept', () => lead('x')],
        ['moved', () => lead('x')],
        ['old', () => lead('x')],
        ['new', () => lead('x')],
      ])
      await save([
        ['moved', () => lead('y')],
        ['old', () => null],
      ])
      await forget()
      await save([['new', () => null]])
      expect(await pageOf('agent:x')).toEqual(['kept', 'moved left', 'new deleted', 'old deleted'])
      // The deletion is in two scopes, the move in one.
      expect(await opened().prune()).toMatchObject({ entries: 3, records: 1 })
      expect(await pageOf('agent:x')).toEqual(['kept', 'new deleted'])
      expect(await pageOf('agent:y')).toEqual(['moved'])
      expect(await loadLead('old')).toBeUndefined()
      expect(await loadLead('new')).toMatchObject({ state: 'deleted' })
      expect(await loadLead('moved')).toMatchObject({ state: 'live' })
      // Once for each day.
      expect(await opened().prune()).toEqual({ entries: 0, records: 0, operations: 0, devices: 0 })
    })

    test('[SS9] nothing goes before it was said that it may, and the day never goes back', async () => {
      await save([['a', () => lead('x')]])
      await save([['a', () => null]])
      await opened().noteDay(10)
      await opened().noteDay(11)
      expect(await opened().prune()).toMatchObject({ entries: 0 })
      await opened().forgetBefore(10)
      expect(await opened().prune()).toMatchObject({ entries: 0, records: 0 })
      await opened().forgetBefore(11)
      await opened().forgetBefore(9)
      expect((await opened().standing()).prunedDay).toBe(11)
      expect((await (await reopen()).standing()).prunedDay).toBe(11)
      expect(await opened().prune()).toMatchObject({ entries: 2, records: 1 })
    })

    test('[SS9] what is committed after the first note of a day is younger than the day', async () => {
      await save([['a', () => lead('x')]])
      await opened().noteDay(10)
      await save([['a', () => null]])
      await opened().noteDay(10)
      await opened().forgetBefore(11)
      expect(await opened().prune()).toMatchObject({ entries: 0, records: 0 })
    })

    test('[SS9] days are counted as they were noted: one of a clock that was ahead goes, one before what is forgotten is none', async () => {
      for (const day of [10, 11, 12, 400]) await opened().noteDay(day)
      expect(await opened().dayBefore(0)).toBe(400)
      expect(await opened().dayBefore(2)).toBe(11)
      expect(await opened().dayBefore(4)).toBeNull()
      await opened().noteDay(13)
      expect(await opened().dayBefore(0)).toBe(13)
      await opened().forgetBefore(11)
      await opened().noteDay(3)
      expect(await opened().dayBefore(0)).toBe(13)
      expect(await opened().dayBefore(3)).toBe(10)
    })

    test('[SS9] a record that was restored stays', async () => {
      await save([['a', () => lead('x')]])
      await save([['a', () => null]])
      await save([['a', () => lead('x')]])
      await forget()
      expect(await opened().prune()).toMatchObject({ entries: 0, records: 0 })
      expect(await loadLead('a')).toMatchObject({ state: 'live', version: 3 })
    })

    test('[SS9] a deleted record with an open conflict stays, until the conflict is closed', async () => {
      await save([['a', () => lead('x')]])
      await save([['a', () => null]])
      const open = conflictRow({ collection: 'leads', record: 'a' }, conflict, null, 2)
      await put('_conflicts', 'c', open)
      await forget()
      expect(await opened().prune()).toMatchObject({ entries: 0, records: 0 })
      await put('_conflicts', 'c', { ...open, version: 2, state: 'deleted' })
      await opened().noteDay(11)
      await opened().forgetBefore(12)
      // The record in its two scopes, and the conflict in its one.
      expect(await opened().prune()).toMatchObject({ entries: 3, records: 2 })
    })

    test('[SS9] a deleted record of which live ones take their scopes stays, until they are gone', async () => {
      await reopen(withCalls)
      await save([['a', () => lead('x')]])
      await put('calls', 'call', liveRecord(1, { lead: 'a', note: '' }))
      await save([['a', () => null]])
      await forget()
      expect(await opened().prune()).toMatchObject({ entries: 0, records: 0 })
      await put('calls', 'call', { ...liveRecord(2, { lead: 'a', note: '' }), state: 'deleted' })
      await opened().noteDay(11)
      await opened().forgetBefore(12)
      expect(await opened().prune()).toMatchObject({ entries: 3, records: 2 })
    })

    test('[SS9] [L-4] outcomes and reports of before the day, and none of later', async () => {
      const operation = '00000000-0000-7000-8000-000000000001'
      const claim = { user, id: parseOperationId(operation), hash: 'h', device, seq: 1 }
      const outcome = JSON.stringify({ kind: 'applied', id: operation, version: 1, place: 1 })
      const now = Date.now()
      await opened().transact(async (tx) => {
        await tx.claim([claim])
        await tx.settle(new Map([[user, new Map([[claim.id, outcome]])]]))
        await tx.report([{ user, device, pending: 3, atMs: now }])
      })
      const [yesterday, tomorrow] = [Math.floor(now / dayMs) - 1, Math.floor(now / dayMs) + 1]
      await opened().forgetBefore(yesterday)
      expect(await opened().prune()).toMatchObject({ operations: 0, devices: 0 })
      await opened().forgetBefore(tomorrow)
      expect(await opened().prune()).toMatchObject({ operations: 1, devices: 1 })
      expect(await opened().deviceReport(user, device)).toBeNull()
      expect((await opened().transact((tx) => tx.claim([claim]))).size).toBe(0)
    })

    test('[SS9] 6,000 deletions go, and nothing else', async () => {
      const ids = Array.from({ length: 6_000 }, (_, n) => `r${n}`)
      const isKept = (n: number) => n % 100 === 0
      await save(ids.map((id) => [id, () => lead('x')]))
      await save(ids.flatMap((id, n) => (isKept(n) ? [] : [[id, () => null]])))
      await forget()
      expect(await opened().prune()).toMatchObject({ entries: 11_880, records: 5_940 })
      expect(await pageOf('agent:x')).toEqual(ids.filter((_, n) => isKept(n)).sort())
    }, 60_000)
  })

  async function put(name: string, id: RecordId, record: ServerRecord): Promise<void> {
    const state = record.state === 'live' ? 'present' : 'deleted'
    await opened().transact(async (tx: StoreTransaction) => {
      await tx.load(name, [id])
      await tx.write(name, new Map([[id, record]]))
      await tx.feed([{ scope: 'all', collection: name, record: id, version: record.version, state, bytes: 1 }])
    })
  }
}

const lead = (owner: string) => ({ owner, name: 'n', visits: 0 })
const dayMs = 86_400_000
const user = parseUserId('ann')
const device: DeviceId = parseDeviceId('00000000-0000-7000-8000-00000000000d')

const withCalls = defineSchema({
  version: 2,
  collections: {
    ...leadsSchema.collections,
    calls: collection({ fields: { lead: t.ref('leads'), note: t.text() }, scope: { via: 'lead' } }),
  },
})

const author = { user: 'u', device: 'd', at: 5, correctedAt: 1_700_000_000_000 }
const conflict: Conflict = {
  id: 'c',
  field: 'name',
  revision: 1,
  base: 'n',
  local: 'l',
  remote: 'r',
  localBy: author,
  remoteBy: author,
}
