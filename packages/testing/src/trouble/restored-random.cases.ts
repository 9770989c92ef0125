/** Backups and restores at any moment, while devices write, sync and lose answers, on a given store: by chance, from seeds. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeptStore } from '../support/kept-store.ts'
import { createTimeWorld, type TimeDevice, type TimeWorld } from '../support/time-world.ts'
import { readServer } from '../support/truth.ts'
import { expectEqual } from './restored.cases.ts'

export function describeRestoredByChance(store: KeptStore, seeds: readonly number[]): void {
  describe(`restores at any moment on ${store.name}`, { timeout: 120_000 }, () => {
    test.each(seeds)('[I-9] [I-4] [I-5] every write counts once in the end (seed %i)', async (seed) => {
      const random = mulberry(seed)
      const below = (count: number) => Math.floor(random() * count)
      const w = await createTimeWorld(store, onTestFinished, { rowsPerPage: 5 })
      const devices = await Promise.all(['ann', 'ben', 'carl'].map((name) => w.device(name, name)))
      const [first] = devices
      if (first === undefined) throw new Error('There is no device.')
      const shared = await first.db.leads.create({ owner: 'ann', name: 'Shared' })
      for (const device of devices) await device.sync()
      await w.restart(() => w.database.backUp())

      let visits = 0
      const made = new Map<string, { readonly device: TimeDevice; note: string }>()
      const act = async (device: TimeDevice): Promise<void> => {
        const own = [...made].filter(([, one]) => one.device === device)
        switch (below(4)) {
          case 0: {
            const by = 1 + below(9)
            visits += by
            await device.db.leads.increment(shared, { visits: by })
            return
          }
          case 1: {
            const id = await device.db.leads.create({ owner: device.file, name: `${made.size}` })
            made.set(id, { device, note: '' })
            return
          }
          default: {
            const [id, one] = own[below(own.length)] ?? []
            if (id === undefined || one === undefined) return
            one.note = `${below(1_000)}`
            w.pass(1_000)
            await device.db.leads.update(id, { note: one.note })
          }
        }
      }
      for (let turn = 0; turn < 80; turn += 1) {
        const device = devices[below(devices.length)] ?? first
        const chance = random()
        if (chance < 0.5) await act(device)
        else if (chance < 0.75) await device.sync()
        else if (chance < 0.83) await device.syncPart(1 + below(3))
        else if (chance < 0.88) await device.loseAnswer()
        else if (chance < 0.91) await device.reopen()
        else if (chance < 0.94) await w.maintain()
        else if (chance < 0.97) await w.restart(() => w.database.backUp())
        else await setBack(w, below(2) === 0 ? 'head' : 'unknown')
      }
      await setBack(w, 'head')
      for (let round = 0; round < 2; round += 1) for (const device of devices) await device.sync()

      const { rows } = await readServer(w.database)
      expect(rows.leads?.[shared]).toMatchObject({ visits })
      const notes = [...made].map(([id, { note }]) => [id, note])
      expect(Object.fromEntries(notes)).toEqual(
        Object.fromEntries(
          Object.entries(rows.leads ?? {}).flatMap(([id, { note }]) => (id === shared ? [] : [[id, note]])),
        ),
      )
      for (const device of devices) await expectEqual(w, device)
    })
  })
}

async function setBack(w: TimeWorld, fork: 'head' | 'unknown'): Promise<void> {
  await w.restart(async () => {
    await w.database.restore()
    await w.restored(fork)
  })
}

/** Numbers in [0, 1) from a seed. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
