/** Of the contract: scopes that a user holds no more, and what of them a device is told. A part of server-store.contract.ts. */
import { pageBytesMax, type RecordId } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import type { PageRequest, Scope, ServerStore } from '../ports/server-store.ts'
import { type Lead, leadOf, type NextLead, saveLeads } from './leads.ts'
import { createRandom, pick } from './random.ts'
import { beginning, createReplica, type Replica, rowsOf, sizeOf } from './replica.ts'

export function describeLeaving(opened: () => ServerStore): void {
  const save = (changes: readonly (readonly [RecordId, NextLead])[]) =>
    opened().transact((tx) => saveLeads(tx, new Map(changes)))
  const give = (owner: string, ...ids: readonly RecordId[]) => save(ids.map((id) => [id, () => lead(owner)]))
  const remove = (...ids: readonly RecordId[]) => save(ids.map((id) => [id, () => null]))
  const page = (request: Partial<PageRequest>) =>
    opened().readPage({
      positions: [],
      leaving: [],
      seen: null,
      rowsMax: 100,
      bytesMax: pageBytesMax,
      ...request,
    })

  describe('scopes that are leaving', () => {
    test('[SS5] the store names every scope of its feed, each once', async () => {
      expect(await opened().scopes()).toEqual([])
      await give('x', 'a', 'b')
      await give('y', 'a')
      expect([...(await opened().scopes())].sort()).toEqual(['agent:x', 'agent:y', 'all'])
    })

    test('[SS5] [I-22] all that it holds is told as left, by id and version, and nothing of what is in it', async () => {
      await give('x', 'a', 'b')
      await give('y', 'c')
      await give('x', 'b')
      const first = await page({ positions: [beginning('agent:y')], leaving: [beginning('agent:x')] })
      expect(first.changes.flatMap(({ gone }) => gone)).toEqual([
        { record: 'a', version: 1, why: 'left' },
        { record: 'b', version: 2, why: 'left' },
      ])
      expect(first.changes.map(({ rows }) => rows)).toEqual(['[]'])
      expect(first).toMatchObject({ leaving: [], more: true, positions: [beginning('agent:y')] })
      const second = await page({ ...first })
      expect(second.changes.flatMap(({ rows }) => rowsOf(rows).map(([id]) => id))).toEqual(['c'])
      expect(second).toMatchObject({ leaving: [], more: false })
    })

    test('[SS5] [I-22] asked once more from before, it tells what has come since too: by id and version, and nothing of what is in it', async () => {
      await give('x', 'a')
      const request = { leaving: [beginning('agent:x')] }
      expect((await page(request)).leaving).toEqual([])
      await give('x', 'b')
      const { changes, ...rest } = await page(request)
      expect(changes.flatMap(({ gone }) => gone.map(({ record }) => record))).toEqual(['a', 'b'])
      expect(changes.map(({ rows }) => rows)).toEqual(['[]'])
      expect(rest).toMatchObject({ leaving: [], remaining: 2 })
    })

    test('[SS5] what another scope of the request holds stays; what it does not hold any more goes', async () => {
      await give('x', 'a', 'b', 'c')
      await give('y', 'b')
      const { changes } = await page({ positions: [beginning('agent:x')], leaving: [beginning('all')] })
      expect(changes.flatMap(({ gone }) => gone)).toEqual([{ record: 'b', version: 2, why: 'left' }])
    })

    test('[SS5] what another scope of the request tells as deleted is not told as left; but for what has come into the leaving one since', async () => {
      await give('x', 'a', 'b')
      await remove('a', 'b')
      await give('y', 'b')
      const request = { positions: [beginning('agent:x')], leaving: [beginning('all')] }
      const first = await page(request)
      expect(first.changes.flatMap(({ gone }) => gone)).toEqual([{ record: 'b', version: 3, why: 'left' }])
      const second = await page({ ...first })
      expect(second.changes.flatMap(({ gone }) => gone)).toEqual([
        { record: 'a', version: 2, why: 'deleted' },
        { record: 'b', version: 2, why: 'deleted' },
      ])
    })

    test('[SS5] [I-22] what had gone from it is told too, and that it was deleted is not', async () => {
      await give('x', 'moved', 'deleted')
      await give('y', 'moved')
      await remove('deleted')
      const { changes } = await page({ leaving: [beginning('agent:x')] })
      expect(changes.flatMap(({ gone }) => gone)).toEqual([
        { record: 'moved', version: 2, why: 'left' },
        { record: 'deleted', version: 2, why: 'left' },
      ])
    })

    test('[SS5] a record of two scopes that leave is told once, of two pages once each', async () => {
      await give('x', 'a')
      const leaving = [beginning('all'), beginning('agent:x')]
      expect(sizeOf(await page({ leaving }))).toBe(1)
      const first = await page({ leaving, rowsMax: 1 })
      expect([sizeOf(first), first.leaving.length]).toEqual([1, leaving.length])
      expect(sizeOf(await page({ ...first, rowsMax: 1 }))).toBe(1)
    })

    test('[SS5] more than a page holds comes page after page, with how much is left; what was told is not told again', async () => {
      const ids = Array.from({ length: 25 }, (_, index) => `r${String(index).padStart(2, '0')}`)
      await give('x', ...ids)
      const replica = createReplica(['agent:x'])
      await replica.pull(opened(), 100)
      replica.lose('agent:x')
      const pages = await replica.pull(opened(), 10)
      expect(pages.map(sizeOf)).toEqual([10, 10, 5, 0])
      expect(pages.map(({ remaining }) => remaining)).toEqual([25, 15, 5, null])
      expect(replica.present()).toEqual([])
    })

    test('[SS5] one that was empty ends at once, and what is held goes on', async () => {
      await give('y', 'a')
      const only = await page({ positions: [beginning('agent:y')], leaving: [beginning('agent:never')] })
      expect([sizeOf(only), only.more, only.leaving]).toEqual([1, false, []])
    })

    test('[SS4] [SS5] [I-23] grants that change at any moment, while others write: in the end devices have what they hold', async () => {
      const random = createRandom(23)
      const ids = Array.from({ length: 60 }, (_, index) => `r${index}`)
      const names: readonly Scope[] = ['all', ...owners.map((owner) => `agent:${owner}`)]
      await save(ids.map((id) => [id, () => lead(pick(random, owners))]))
      const devices = Array.from({ length: 3 }, () => {
        const held = new Set<Scope>([pick(random, names)])
        return { held, replica: createReplica([...held]) }
      })
      let writers = 4
      const write = async () => {
        for (let round = 0; round < 25; round += 1) {
          await opened().transact(async (tx) => {
            await pause(random() * 4)
            const next: NextLead =
              random() < 0.2 ? (now) => (now === null ? lead('a') : null) : () => lead(pick(random, owners))
            await saveLeads(tx, new Map([pick(random, ids), pick(random, ids)].sort().map((id) => [id, next])))
            await pause(random() * 4)
          })
        }
        writers -= 1
      }
      const change = ({ held, replica }: (typeof devices)[number]) => {
        const scope = pick(random, names)
        if (held.delete(scope)) replica.lose(scope)
        else {
          held.add(scope)
          replica.join(scope)
        }
      }
      const sync = async (device: (typeof devices)[number]) => {
        while (writers > 0) {
          if (random() < 0.7) change(device)
          await device.replica.pull(opened(), 7, async () => {
            if (random() < 0.1) change(device)
          })
        }
      }
      await Promise.all([...Array.from({ length: writers }, write), ...devices.map(sync)])
      const truth = await opened().transact((tx) => tx.load('leads', ids))
      for (const { held, replica } of devices) {
        await replica.pull(opened(), 7)
        const expected = [...truth].flatMap(([id, record]) =>
          record.state === 'live' && (held.has('all') || held.has(`agent:${leadOf(record).owner}`)) ? [id] : [],
        )
        expect(replica.present()).toEqual(expected.sort())
        for (const id of expected) expect(versionOf(replica, id)).toBe(truth.get(id)?.version)
      }
    }, 30_000)
  })
}

const owners = ['a', 'b', 'c']

function versionOf(replica: Replica, id: RecordId): number | undefined {
  return replica.held.get(id)?.version
}

function lead(owner: string): Lead {
  return { owner, name: 'n', visits: 0 }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
