import { expect, test } from 'vitest'
import { type Announcement, type Broker, nobody } from '../ports/broker.ts'
import type { System } from '../ports/system.ts'
import { nodeSystem } from '../system/node-system.ts'
import { createPokeHub, type PokeHub } from './poke.ts'

function listening(hub: PokeHub, device: string | null, scopes: readonly string[]): { readonly pokes: () => number } {
  let pokes = 0
  hub.listen({ device, scopes, poke: () => void pokes++ })
  return { pokes: () => pokes }
}

/** Timers that a test lets pass, in the order of their time. */
function createTimers(): { readonly system: System; pass(ms: number): Promise<void> } {
  let now = 0
  const timers = new Map<() => void, number>()
  return {
    system: {
      ...nodeSystem,
      after: (delayMs, work) => {
        timers.set(work, now + delayMs)
        return () => void timers.delete(work)
      },
    },
    pass: async (ms) => {
      const end = now + ms
      await nodeSystem.breathe()
      for (;;) {
        const [next] = [...timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])
        if (next === undefined) break
        timers.delete(next[0])
        now = next[1]
        next[0]()
        await nodeSystem.breathe()
      }
      now = end
    },
  }
}

const commit = (place: number, scopes: readonly string[], device: string | null = null) => ({
  place,
  touched: new Map(scopes.map((scope) => [scope, device])),
})

test('[PK1] who holds a touched scope is poked once, the device of the commit is not', () => {
  const hub = createPokeHub({ horizon: async () => 9, broker: nobody, system: nodeSystem })
  const [all, ali, own, sara] = [
    listening(hub, 'd1', ['all']),
    listening(hub, 'd2', ['agent:ali', 'team:1']),
    listening(hub, 'd3', ['agent:ali']),
    listening(hub, null, ['agent:sara']),
  ]
  hub.announce(commit(1, ['all', 'agent:ali', 'team:1'], 'd3'))
  expect([all, ali, own, sara].map(({ pokes }) => pokes())).toEqual([1, 1, 0, 0])
  expect(hub.announced()).toBe(1)
})

test('[PK1] of a commit of several devices each is poked for what the others changed, and once', () => {
  const hub = createPokeHub({ horizon: async () => 9, broker: nobody, system: nodeSystem })
  const [own, both, boss, other] = [
    listening(hub, 'd1', ['agent:ali']),
    listening(hub, 'd1', ['agent:ali', 'team:1']),
    listening(hub, 'd3', ['all', 'team:1']),
    listening(hub, 'd2', ['agent:sara']),
  ]
  const touched = new Map([
    ['agent:ali', 'd1'],
    ['agent:sara', 'd2'],
    ['team:1', null],
    ['all', null],
  ])
  hub.announce({ place: 1, touched })
  expect([own, both, boss, other].map(({ pokes }) => pokes())).toEqual([0, 1, 1, 0])
})

test('who stopped listening is not poked', () => {
  const hub = createPokeHub({ horizon: async () => 9, broker: nobody, system: nodeSystem })
  let pokes = 0
  const leave = hub.listen({ device: null, scopes: ['all'], poke: () => void pokes++ })
  leave()
  hub.announce(commit(1, ['all']))
  expect(pokes).toBe(0)
})

test('[PK2] poked again when the horizon passes the commit, the device of the commit too', async () => {
  let horizon = 4
  const { system, pass } = createTimers()
  const hub = createPokeHub({ horizon: async () => horizon, broker: nobody, system })
  const [other, own, elsewhere] = [
    listening(hub, 'd1', ['all']),
    listening(hub, 'd2', ['all']),
    listening(hub, 'd3', ['agent:sara']),
  ]
  hub.announce(commit(5, ['all'], 'd2'))
  await pass(5_000)
  expect([other.pokes(), own.pokes()]).toEqual([1, 0])
  horizon = 5
  await pass(1_000)
  expect([other.pokes(), own.pokes(), elsewhere.pokes()]).toEqual([2, 1, 0])
  horizon = 6
  await pass(5_000)
  expect([other.pokes(), own.pokes()]).toEqual([2, 1])
})

test('[PK2] with commits on and on, each is told of when the horizon has passed it', async () => {
  let horizon = 0
  const { system, pass } = createTimers()
  const hub = createPokeHub({ horizon: async () => horizon, broker: nobody, system })
  const own = listening(hub, 'd1', ['all'])
  for (let place = 1; place <= 100; place += 1) {
    hub.announce(commit(place, ['all'], 'd1'))
    await pass(10)
  }
  expect(own.pokes()).toBe(0)
  horizon = 1
  await pass(1_000)
  expect(own.pokes()).toBe(1)
  horizon = 100
  await pass(1_000)
  expect(own.pokes()).toBe(2)
})

test('[PK2] a store that does not answer is asked again', async () => {
  let isThere = false
  const { system, pass } = createTimers()
  const horizon = async () => {
    if (!isThere) throw new Error('gone')
    return 7
  }
  const hub = createPokeHub({ horizon, broker: nobody, system })
  const own = listening(hub, 'd1', ['all'])
  hub.announce(commit(7, ['all'], 'd1'))
  await pass(3_000)
  isThere = true
  await pass(1_000)
  expect(own.pokes()).toBe(1)
})

test('[PK3] few are told at once; many over two seconds, each once for all commits of that time', async () => {
  const { system, pass } = createTimers()
  const hub = createPokeHub({ horizon: async () => 9, broker: nobody, system })
  const few = Array.from({ length: 32 }, () => listening(hub, null, ['team:1']))
  hub.announce(commit(1, ['team:1']))
  expect(few.every(({ pokes }) => pokes() === 1)).toBe(true)

  const many = Array.from({ length: 1_000 }, () => listening(hub, null, ['all']))
  const told = () => many.filter(({ pokes }) => pokes() > 0).length
  hub.announce(commit(2, ['all']))
  expect(told()).toBe(0)
  await pass(500)
  expect(told()).toBeGreaterThan(150)
  expect(told()).toBeLessThan(350)
  hub.announce(commit(3, ['all']))
  await pass(2_100)
  expect(told()).toBe(1_000)
  // Those who had been told of the first commit heard of the second as well; the others of both at once.
  const total = many.reduce((sum, { pokes }) => sum + pokes(), 0)
  expect(total).toBeGreaterThan(1_150)
  expect(total).toBeLessThan(1_350)
})

test('what other processes commit is told and counts as announced; what this one commits is told to them', () => {
  const published: Announcement[] = []
  let hear: (announcement: Announcement) => void = () => undefined
  const broker: Broker = {
    publish: (announcement) => void published.push(announcement),
    listen: (listener) => {
      hear = listener
      return () => undefined
    },
  }
  const hub = createPokeHub({ horizon: async () => 99, broker, system: nodeSystem })
  const [all, ali] = [listening(hub, 'd1', ['all']), listening(hub, 'd2', ['agent:ali'])]
  hub.announce(commit(3, ['all'], 'd9'))
  expect(published).toEqual([{ place: 3, scopes: ['all'], device: 'd9' }])
  hear({ place: 5, scopes: ['agent:ali'], device: 'd1' })
  hear({ place: 7, scopes: ['all'], device: 'd1' })
  expect([all.pokes(), ali.pokes(), hub.announced()]).toEqual([1, 1, 7])
  hear({ place: 0, scopes: 'any', device: null })
  expect([all.pokes(), ali.pokes(), hub.announced()]).toEqual([2, 2, 7])
  expect(published).toHaveLength(1)
})

test('[PK4] [I-9] another life of the database: all are told, and nothing of the lost one is waited for', async () => {
  const hub = createPokeHub({ horizon: async () => 99, broker: nobody, system: nodeSystem })
  const listeners = [listening(hub, 'd1', ['all']), listening(hub, 'd2', ['agent:ali', 'team:1'])]
  hub.announce(commit(1_000, ['all']))
  hub.startOver()
  expect(listeners.map(({ pokes }) => pokes())).toEqual([2, 1])
  expect(hub.announced()).toBe(0)
  hub.announce(commit(7, ['all']))
  expect(hub.announced()).toBe(7)
})
