import { batchOperationsMax, parseUserId } from '@holdfast/core'
import { expect, test } from 'vitest'
import { nextGroup } from './committer.ts'

const waiting = (...all: readonly (readonly [user: string, operations: number])[]) =>
  all.map(([user, operations]) => ({ user: parseUserId(user), operations }))
const nobody = new Set<never>()
const sizes = (group: readonly { readonly operations: number }[]) => group.map(({ operations }) => operations)

test('[GC1] a group takes what waits, one batch of each user, and none of a user who is in a group', () => {
  const all = waiting(['ali', 3], ['sara', 4], ['ali', 5], ['eve', 6], ['sara', 1])
  expect(nextGroup(all, nobody)).toEqual(waiting(['ali', 3], ['sara', 4], ['eve', 6]))
  expect(nextGroup(all, new Set([parseUserId('ali')]))).toEqual(waiting(['sara', 4], ['eve', 6]))
  expect(nextGroup([], nobody)).toEqual([])
})

test('[GC1] a group has 5,000 operations at most, but for a few beside one that is full by itself', () => {
  expect(sizes(nextGroup(waiting(['a', 2_500], ['b', 2_500], ['c', 2_500]), nobody))).toEqual([2_500, 2_500])
  expect(sizes(nextGroup(waiting(['a', 5_000], ['b', 400], ['c', 100], ['d', 1]), nobody))).toEqual([5_000, 1, 100])
})

test('[GC2] a single write does not wait behind backlogs, and the oldest does not wait for smaller ones', () => {
  const backlogs = Array.from({ length: 40 }, (_, n) => [`backlog${n}`, batchOperationsMax] as const)
  const single = ['single', 1] as const
  expect(sizes(nextGroup(waiting(...backlogs, single), nobody))).toEqual([batchOperationsMax, 1])
  const small = Array.from({ length: 6_000 }, (_, n) => [`small${n}`, 1] as const)
  const group = nextGroup(waiting(['backlog', batchOperationsMax], ...small), nobody)
  expect(sizes(group.slice(0, 1))).toEqual([batchOperationsMax])
})
