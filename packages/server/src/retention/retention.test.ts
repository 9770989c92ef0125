import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { UsageError } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { leadsSchema, saveLeads } from '../contract/leads.ts'
import type { Pruned } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { sqlite } from '../store/sqlite.ts'
import { nodeSystem } from '../system/node-system.ts'
import { dayMs } from './days.ts'
import { createRetention } from './retention.ts'

const hourMs = 3_600_000

async function keeper(days = 30) {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-retention-'))
  let nowMs = 1_800_000_000_000
  let timer: { readonly delayMs: number; readonly work: () => void } | null = null
  const system: System = {
    ...nodeSystem,
    nowMs: () => nowMs,
    after: (delayMs, work) => {
      timer = { delayMs, work }
      return () => {
        timer = null
      }
    },
  }
  const store = sqlite(directory, system)(leadsSchema)
  await store.open()
  const told: (Pruned | unknown)[] = []
  const retention = createRetention(
    { store, system, pruned: (one) => told.push(one), failed: (one) => told.push(one) },
    days,
  )
  onTestFinished(async () => {
    await retention.close()
    await store.close().catch(() => {})
    rmSync(directory, { recursive: true })
  })
  return {
    store,
    retention,
    told,
    timer: () => timer,
    pass: (ms: number) => {
      nowMs += ms
    },
    /** Days on which the server runs. */
    passDays: async (count: number) => {
      for (let day = 0; day < count; day += 1) {
        nowMs += dayMs
        await store.noteDay(Math.floor(nowMs / dayMs))
      }
    },
    /** The timer that is set runs out; resolves when its work has ended and the next one is set. */
    next: async () => {
      const due = timer
      if (due === null) throw new Error('No timer is set.')
      timer = null
      nowMs += due.delayMs
      due.work()
      while (timer === null) await new Promise((resolve) => setTimeout(resolve, 1))
      return due.delayMs
    },
    write: (lead: { readonly owner: string; readonly name: string; readonly visits: number } | null) =>
      store.transact((tx) => saveLeads(tx, new Map([['a', () => lead]]))),
  }
}

test('[RT1] [SS9] it runs about every hour, and removes in a later run what a run has found to be old', async () => {
  const k = await keeper()
  await k.write({ owner: 'x', name: 'n', visits: 0 })
  await k.write(null)
  k.retention.start()
  // Not while the start has other work, nor while a request of before may be under way.
  expect(await k.next()).toBeGreaterThanOrEqual(300_000)
  for (let turn = 0; turn < 3; turn += 1) {
    const delayMs = await k.next()
    expect(delayMs).toBeGreaterThanOrEqual(0.75 * hourMs)
    expect(delayMs).toBeLessThanOrEqual(1.25 * hourMs)
  }
  await k.passDays(32)
  await k.next()
  expect(k.told.every((pruned) => (pruned as Pruned).entries === 0)).toBe(true)
  const { prunedDay } = await k.store.standing()
  expect(prunedDay).toBeGreaterThan(0)
  await k.next()
  expect(k.told.at(-1)).toMatchObject({ entries: 2, records: 1 })
})

test('[RT3] a clock that jumps ahead forgets nothing, and one that was ahead for long keeps later days from counting no longer than itself', async () => {
  const k = await keeper()
  await k.write({ owner: 'x', name: 'n', visits: 0 })
  await k.write(null)
  await k.passDays(10)
  for (const jumpDays of [400, -400, 40_000, -40_000, -10_000, 10_000]) {
    k.pass(jumpDays * dayMs)
    for (let run = 0; run < 3; run += 1) expect(await k.retention.run()).toMatchObject({ entries: 0, records: 0 })
    expect((await k.store.standing()).prunedDay).toBe(0)
  }
  await k.passDays(31)
  await k.retention.run()
  expect(await k.retention.run()).toMatchObject({ entries: 2, records: 1 })
  // Before what is forgotten no clock is right: nothing of the days between is unsaid.
  const { prunedDay } = await k.store.standing()
  await k.store.noteDay(3)
  expect(await k.store.dayBefore(30)).toBeGreaterThanOrEqual(prunedDay)
})

test('[RT2] trouble is told, and the next hour tries again', async () => {
  const k = await keeper()
  k.retention.start()
  await k.store.close()
  await k.next()
  expect(k.told).toMatchObject([{ code: 'CLOSED' }])
  await k.store.open()
  await k.next()
  expect(k.told.at(-1)).toMatchObject({ entries: 0 })
})

test('closed, it does nothing more', async () => {
  const k = await keeper()
  k.retention.start()
  await k.retention.close()
  expect(k.timer()).toBeNull()
})

test.each([0, -1, 1.5, Number.NaN, 40_000])(
  'a retention of %s days is refused, with what may be given',
  async (days) => {
    await expect(keeper(days)).rejects.toThrow(UsageError)
  },
)
