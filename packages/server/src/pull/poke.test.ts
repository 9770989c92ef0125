import { expect, test } from 'vitest'
import { nodeSystem } from '../system/node-system.ts'
import { createPokeHub, type PokeHub } from './poke.ts'

function listening(hub: PokeHub, device: string | null, scopes: readonly string[]): { readonly pokes: () => number } {
  let pokes = 0
  hub.listen({ device, scopes, poke: () => void pokes++ })
  return { pokes: () => pokes }
}

test('[PK1] who holds a touched scope is poked once, the device of the commit is not', () => {
  const hub = createPokeHub(async () => 9, nodeSystem)
  const [all, ali, own, sara] = [
    listening(hub, 'd1', ['all']),
    listening(hub, 'd2', ['agent:ali', 'team:1']),
    listening(hub, 'd3', ['agent:ali']),
    listening(hub, null, ['agent:sara']),
  ]
  hub.announce({ place: 1, scopes: new Set(['all', 'agent:ali', 'team:1']), device: 'd3' })
  expect([all, ali, own, sara].map(({ pokes }) => pokes())).toEqual([1, 1, 0, 0])
  expect(hub.announced()).toBe(1)
})

test('who stopped listening is not poked', () => {
  const hub = createPokeHub(async () => 9, nodeSystem)
  let pokes = 0
  const leave = hub.listen({ device: null, scopes: ['all'], poke: () => void pokes++ })
  leave()
  hub.announce({ place: 1, scopes: new Set(['all']), device: null })
  expect(pokes).toBe(0)
})

test('[PK2] poked again when the horizon passes the commit, the device of the commit too', async () => {
  let horizon = 4
  const timers: (() => void)[] = []
  const hub = createPokeHub(async () => horizon, {
    ...nodeSystem,
    after: (_, work) => {
      timers.push(work)
      return () => undefined
    },
  })
  const [other, own] = [listening(hub, 'd1', ['all']), listening(hub, 'd2', ['all'])]
  const tick = async () => {
    timers.shift()?.()
    await nodeSystem.breathe()
  }
  hub.announce({ place: 5, scopes: new Set(['all']), device: 'd2' })
  await nodeSystem.breathe()
  await tick()
  expect([other.pokes(), own.pokes()]).toEqual([1, 0])
  horizon = 5
  await tick()
  expect([other.pokes(), own.pokes()]).toEqual([2, 1])
  expect(timers).toEqual([])
})
