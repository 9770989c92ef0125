import { expect, test } from 'vitest'
import { createGate, type Gate, type GatePass } from './gate.ts'

/** Work that ends when the test says so. */
function createWork(gate: Gate) {
  const inside: string[] = []
  const ends = new Map<string, () => void>()
  const refused: string[] = []
  return {
    inside,
    refused,
    ask: (name: string, options?: GatePass): void => {
      const work = () =>
        new Promise<void>((resolve) => {
          inside.push(name)
          ends.set(name, () => {
            inside.splice(inside.indexOf(name), 1)
            resolve()
          })
        })
      void gate.pass(work, options).catch(({ code }) => refused.push(`${name} ${code}`))
    },
    end: async (name: string) => {
      ends.get(name)?.()
      await new Promise(setImmediate)
    },
  }
}

const settle = () => new Promise(setImmediate)

test('[GA1] [GA2] so many are inside; who waits goes by rank, then by arrival', async () => {
  const gate = createGate({ runningMax: 2, waitingMax: 9, waitMsMax: 1 }, { after: () => () => undefined })
  const work = createWork(gate)
  for (const [name, rank] of [
    ['a', 1],
    ['b', 1],
    ['c', 1],
    ['d', 0],
    ['e', 1],
    ['f', 0],
  ] as const)
    work.ask(name, { rank })
  await settle()
  const seen: string[][] = []
  while (work.inside.length > 0) {
    seen.push([...work.inside])
    await work.end(work.inside[0] ?? '')
  }
  expect(seen).toEqual([['a', 'b'], ['b', 'd'], ['d', 'f'], ['f', 'c'], ['c', 'e'], ['e']])
})

test('[GA3] nobody waits for too long, and not too many wait: but for those who are patient', async () => {
  const timers: (() => void)[] = []
  const gate = createGate(
    { runningMax: 1, waitingMax: 2, waitMsMax: 1 },
    {
      after: (_, late) => {
        timers.push(late)
        return () => void timers.splice(timers.indexOf(late), 1)
      },
    },
  )
  const work = createWork(gate)
  for (const name of ['a', 'b', 'c', 'd']) work.ask(name, { rank: 1 })
  for (const name of ['p', 'q']) work.ask(name, { rank: 0, isPatient: true })
  await settle()
  expect(work.refused).toEqual(['d OVERLOADED'])
  expect(timers).toHaveLength(2)
  timers.shift()?.()
  await settle()
  expect(work.refused).toEqual(['d OVERLOADED', 'b OVERLOADED'])
  for (const name of ['a', 'p', 'q', 'c']) {
    expect(work.inside).toEqual([name])
    await work.end(name)
  }
  expect(timers).toEqual([])
  work.ask('late')
  await settle()
  expect(work.inside).toEqual(['late'])
})

test('work that fails leaves', async () => {
  const gate = createGate({ runningMax: 1, waitingMax: 0, waitMsMax: 1 }, { after: () => () => undefined })
  await expect(gate.pass(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await gate.pass(async () => 7)).toBe(7)
})
