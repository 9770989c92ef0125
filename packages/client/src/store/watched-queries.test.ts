import { createFakeClock, createFakeTimers } from '@holdfast/testing'
import { expect, test } from 'vitest'
import { createWatchedQueries } from './watched-queries.ts'

const query = { sql: 'select', parameters: [], tables: ['leads'] }
const leads = new Set(['leads'])

/** Live queries of which each run takes 10 ms and answers something new. */
function slowQueries() {
  const clock = createFakeClock()
  const timers = createFakeTimers(clock)
  let runs = 0
  const live = createWatchedQueries(
    () => {
      clock.advance(10)
      runs += 1
      return { columns: ['n'], rows: `[[${runs}]]` }
    },
    { clock, timers },
    (problem) => {
      throw problem
    },
  )
  const told: string[] = []
  live.watch(query, ({ rows }) => told.push(rows))
  return { clock, timers, live, told }
}

test('[LQ4] of many commits in a row, queries run at the first and then rest four times as long as they ran', async () => {
  const { timers, live, told } = slowQueries()
  live.committedOneOfMany(leads)
  live.committedOneOfMany(leads)
  live.committedOneOfMany(leads)
  expect(told).toEqual(['[[1]]', '[[2]]'])
  await timers.advance(39)
  expect(told).toHaveLength(2)
  await timers.advance(1)
  expect(told).toEqual(['[[1]]', '[[2]]', '[[3]]'])
  await timers.advance(1_000)
  expect(told).toHaveLength(3)
})

test('[LQ4] any other commit tells at once, and what was put off with it', async () => {
  const { timers, live, told } = slowQueries()
  live.committedOneOfMany(leads)
  live.committedOneOfMany(leads)
  live.committed(new Set(['_outbox']))
  expect(told).toEqual(['[[1]]', '[[2]]', '[[3]]'])
  await timers.advance(1_000)
  expect(told).toHaveLength(3)
})

test('nothing runs after the end', async () => {
  const { timers, live, told } = slowQueries()
  live.committedOneOfMany(leads)
  live.committedOneOfMany(leads)
  live.clear()
  await timers.advance(1_000)
  expect(told).toHaveLength(2)
})

test('[LQ5] what could not be read is read again after a second, also when nothing is written any more', async () => {
  const clock = createFakeClock()
  const timers = createFakeTimers(clock)
  let [runs, failures] = [0, 0]
  const live = createWatchedQueries(
    () => {
      runs += 1
      if (runs === 2 || runs === 3) throw new Error('a fault that passes')
      return { columns: ['n'], rows: `[[${runs}]]` }
    },
    { clock, timers },
    () => {
      failures += 1
    },
  )
  const told: string[] = []
  live.watch(query, ({ rows }) => told.push(rows))
  let isBusy = true
  const heard: unknown[] = []
  live.onCommit((tables) => {
    if (isBusy) throw new Error('not now')
    heard.push([...tables])
  })
  live.committed(leads)
  expect([told, failures]).toEqual([['[[1]]'], 2])
  isBusy = false
  await timers.advance(1_000)
  expect([told, heard]).toEqual([['[[1]]'], [['leads']]])
  await timers.advance(1_000)
  expect(told).toEqual(['[[1]]', '[[4]]'])
  await timers.advance(60_000)
  expect([runs, failures]).toEqual([4, 3])
})
