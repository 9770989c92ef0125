import { describe, expect, test } from 'vitest'
import type { FeedHolder, StoreHealth } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { watchFeed } from './feed-watch.ts'

const holder: FeedHolder = { pid: 7, user: 'importer', database: 'crm', application: 'nightly import', prepared: null }

function setUp() {
  let nowMs = 1_000_000
  let health: StoreHealth | null = null
  let timer: (() => void) | null = null
  const told: string[] = []
  const system: Pick<System, 'nowMs' | 'after'> = {
    nowMs: () => nowMs,
    after: (_, work) => {
      timer = work
      return () => {
        timer = null
      }
    },
  }
  const watch = watchFeed(
    { health: () => (health === null ? Promise.reject(new Error('no answer')) : Promise.resolve(health)) },
    system,
    {
      stalled: (lagMs, who) => told.push(`stalled ${lagMs} ${who?.pid ?? 'nobody'}`),
      moving: (lagMs) => told.push(`moving after ${lagMs}`),
    },
  )
  return {
    watch,
    told,
    at: (seconds: number, state: { horizon: number; head: number } | null) => {
      nowMs = 1_000_000 + seconds * 1000
      health = state && { ...state, holder, connections: null, retries: 0 }
    },
    beat: async () => {
      const work = timer
      timer = null
      work?.()
      await new Promise((resolve) => setImmediate(resolve))
    },
    hasTimer: () => timer !== null,
  }
}

const lagOf = async ({ watch }: ReturnType<typeof setUp>) => (await watch.look()).lagMs

describe('a watch over the feed', () => {
  test('[FW1] a horizon that stands still is no stall while nothing waits above it', async () => {
    const subject = setUp()
    subject.at(0, { horizon: 10, head: 10 })
    expect(await lagOf(subject)).toBe(0)
    subject.at(600, { horizon: 10, head: 10 })
    expect(await lagOf(subject)).toBe(0)
  })

  test('[FW1] the lag counts from when the horizon was first seen where it is, and begins anew when it moves', async () => {
    const subject = setUp()
    subject.at(0, { horizon: 10, head: 12 })
    expect(await lagOf(subject)).toBe(0)
    subject.at(4, { horizon: 10, head: 90 })
    expect(await lagOf(subject)).toBe(4_000)
    subject.at(5, { horizon: 50, head: 90 })
    expect(await lagOf(subject)).toBe(0)
    subject.at(7, { horizon: 50, head: 91 })
    expect(await lagOf(subject)).toBe(2_000)
    subject.at(8, { horizon: 91, head: 91 })
    expect(await lagOf(subject)).toBe(0)
  })

  test('[FW2] a stall is told at five seconds with whom it waits for, again each minute, and once when it is over', async () => {
    const subject = setUp()
    for (let seconds = 0; seconds <= 70; seconds += 5) {
      subject.at(seconds, { horizon: 10, head: 12 })
      await subject.beat()
    }
    subject.at(75, { horizon: 12, head: 12 })
    await subject.beat()
    subject.at(80, { horizon: 12, head: 12 })
    await subject.beat()
    expect(subject.told).toEqual(['stalled 5000 7', 'stalled 65000 7', 'moving after 70000'])
  })

  test('a database that does not answer ends the watch as little as anything else', async () => {
    const subject = setUp()
    subject.at(0, null)
    await expect(subject.watch.look()).rejects.toThrow('no answer')
    await subject.beat()
    expect(subject.hasTimer()).toBe(true)
    subject.watch.close()
    expect(subject.hasTimer()).toBe(false)
  })
})
