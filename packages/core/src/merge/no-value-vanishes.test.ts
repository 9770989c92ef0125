import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DeleteStrategy } from '../schema/merge-strategy.ts'
import {
  collectionOf,
  createWorld,
  crowded,
  type Step,
  steps,
  stepsWithRefusals,
  strategies,
} from './history.test.kit.ts'

const deleteStrategies: readonly DeleteStrategy[] = ['deleteWins', 'editWins', 'ask']

describe.each(strategies)('$name', ({ merge, a }) => {
  // The world checks itself after every operation that the server takes.
  test.each(deleteStrategies)('[I-19] no value vanishes; %s', (deletes) => {
    const of = collectionOf(merge, a, deletes)
    fc.assert(
      fc.property(steps, (history) => {
        const world = createWorld(of)
        for (const step of history) world.act(step)
        // Everything arrives in the end.
        for (let round = 0; round < history.length; round += 1) {
          for (const device of [1, 2, 3]) world.act({ device, act: 'push', pick: 0, skew: 0 })
        }
      }),
      { numRuns: 300 },
    )
  })

  test.each(deleteStrategies)(
    '[I-19] [CF3] [CF4] nor when many questions are settled, early or late; %s',
    (deletes) => {
      const of = collectionOf(merge, a, deletes)
      fc.assert(
        fc.property(crowded, (history) => {
          const world = createWorld(of)
          for (const step of history) world.act(step)
          for (let round = 0; round < history.length; round += 1) {
            for (const device of [1, 2, 3]) world.act({ device, act: 'push', pick: 0, skew: 0 })
          }
        }),
        { numRuns: 300 },
      )
    },
  )

  test.each(deleteStrategies)('[I-19] [MF2] nor when it is refused, and sent again late; %s', (deletes) => {
    const of = collectionOf(merge, a, deletes)
    // The stamps of one device grow, whatever its clock shows.
    const skews = [0, -50, 50]
    fc.assert(
      fc.property(stepsWithRefusals, (history) => {
        const world = createWorld(of)
        const all = (act: Step['act']) => {
          for (const device of [1, 2, 3]) world.act({ device, act, pick: 0, skew: 0 })
        }
        for (const step of history) world.act({ ...step, skew: skews[step.device - 1] ?? 0 })
        for (const act of ['retry', 'push'] as const) for (let i = 0; i < history.length; i += 1) all(act)
      }),
      { numRuns: 300 },
    )
  })

  test.each(deleteStrategies)('[C1] [MF2] one device alone never conflicts, whatever its clock does; %s', (deletes) => {
    const of = collectionOf(merge, a, deletes)
    fc.assert(
      fc.property(steps, fc.array(fc.integer({ min: -100_000, max: 100_000 })), (history, skews) => {
        const world = createWorld(of)
        const alone = history.map((step, index) => ({
          ...step,
          device: 1,
          skew: skews[index % (skews.length + 1)] ?? 0,
        }))
        for (const step of alone) world.act(step)
        const row = world.shown(1)
        for (const _ of history) world.act({ device: 1, act: 'push', pick: 0, skew: 0 })
        for (const effect of world.effects) {
          expect(effect).not.toMatchObject({ kind: 'refused' })
          expect(effect).toMatchObject({ conflicts: [], decisions: [] })
        }
        // What the device showed all along is what the server has.
        const { record } = world.server()
        expect(record?.state === 'live' ? record.values.fields : null).toEqual(row)
      }),
      { numRuns: 200 },
    )
  })
})
