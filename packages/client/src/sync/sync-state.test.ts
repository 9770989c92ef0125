import { expect, test } from 'vitest'
import type { Failure } from './failure.ts'
import {
  attentionDelayMs,
  behindMsMax,
  behindMsMin,
  onlineDelayMs,
  probeMsMax,
  type Step,
  type SyncEffect,
  type SyncEvent,
  type SyncState,
  step,
  writeDelayMs,
} from './sync-state.ts'

const nowMs = 1_000_000
const pollMs = 60_000
const half = { random: { next: () => 0.5 }, nowMs, pollMs }

const fault = { code: 'SERVER_ERROR', problem: 'trouble.' } as const
const failures = {
  unreachable: { kind: 'unreachable', ...fault },
  server: { kind: 'server', retryAfterMs: null, ...fault },
  signedOut: { kind: 'signedOut', ...fault },
  paused: { kind: 'paused', why: 'upgrade', ...fault },
  storage: { kind: 'storage', ...fault },
} as const satisfies Record<Failure['kind'], Failure>

const states = {
  stopped: { kind: 'stopped' },
  idle: { kind: 'idle', behindMs: null },
  settling: { kind: 'settling', behindMs: null },
  debounce: { kind: 'probing', phase: 'debounce', attempt: 2, offline: true },
  asked: { kind: 'probing', phase: 'asked', attempt: 2, offline: true },
  doubting: { kind: 'probing', phase: 'debounce', attempt: 0, offline: false },
  syncing: { kind: 'syncing', attempt: 2, token: 'known', wake: 'none', behindMs: null },
  woken: { kind: 'syncing', attempt: 2, token: 'known', wake: 'round', behindMs: null },
  networked: { kind: 'syncing', attempt: 2, token: 'known', wake: 'probe', behindMs: null },
  called: { kind: 'syncing', attempt: 2, token: 'known', wake: 'person', behindMs: null },
  calledFresh: { kind: 'syncing', attempt: 2, token: 'fresh', wake: 'person', behindMs: null },
  fresh: { kind: 'syncing', attempt: 2, token: 'fresh', wake: 'none', behindMs: null },
  resigned: { kind: 'syncing', attempt: 2, token: 'fresh', wake: 'token', behindMs: null },
  unreachable: { kind: 'waiting', cause: 'unreachable', attempt: 2, retryAtMs: nowMs },
  refused: { kind: 'waiting', cause: 'server', attempt: 2, retryAtMs: nowMs },
  attention: { kind: 'attention', ...fault },
  byUser: { kind: 'paused', why: 'user' },
  signedOut: { kind: 'paused', why: 'signedOut' },
} as const satisfies Record<string, SyncState>

const events = {
  start: { kind: 'start' },
  stop: { kind: 'stop' },
  write: { kind: 'write' },
  poke: { kind: 'poke' },
  timer: { kind: 'timer' },
  online: { kind: 'online' },
  doubt: { kind: 'doubt' },
  foreground: { kind: 'foreground' },
  manual: { kind: 'manual' },
  pause: { kind: 'pause', why: 'user' },
  resume: { kind: 'resume' },
  token: { kind: 'token' },
  reached: { kind: 'probed', reached: true },
  unreached: { kind: 'probed', reached: false },
  done: { kind: 'done', more: false, behind: false, retryMs: null },
  more: { kind: 'done', more: true, behind: false, retryMs: null },
  unreachable: { kind: 'failed', failure: failures.unreachable },
  server: { kind: 'failed', failure: failures.server },
  signedOut: { kind: 'failed', failure: failures.signedOut },
  paused: { kind: 'failed', failure: failures.paused },
  storage: { kind: 'failed', failure: failures.storage },
} as const satisfies Record<string, SyncEvent>

type StateName = keyof typeof states
type EventName = keyof typeof events

/** Every kind of state and of event is in the table: a kind that is added and forgotten here does not compile. */
type Covered<T extends { kind: string }, Table extends Record<string, T>> = T['kind'] extends Table[keyof Table]['kind']
  ? true
  : never
const allStates: Covered<SyncState, typeof states> = true
const allEvents: Covered<SyncEvent, typeof events> = true

/** What a cell says: the kind of state that follows ('·' = the very same state), and with '!' that a round was ordered. */
type Cell = '·' | `${SyncState['kind']}` | 'syncing!'

const sleeps = { start: '·', timer: '·', reached: '·', unreached: '·' } as const
const ended = { stop: 'stopped', pause: 'paused' } as const
const nothingRan = {
  done: '·',
  more: '·',
  unreachable: '·',
  server: '·',
  signedOut: '·',
  paused: '·',
  storage: '·',
} as const
const byPerson = { manual: 'syncing!', resume: 'syncing!', token: 'syncing!', foreground: 'syncing!' } as const

// biome-ignore format: a table reads as a table.
const table: Record<StateName, Record<EventName, Cell>> = {
  stopped: { ...ended, ...nothingRan, ...sleeps, start: 'syncing!', write: '·', poke: '·', online: '·', doubt: '·', foreground: '·', manual: '·', resume: '·', token: '·' },
  idle: { ...ended, ...nothingRan, ...sleeps, ...byPerson, token: '·', timer: 'syncing!', write: 'settling', poke: 'syncing!', online: 'probing', doubt: 'probing' },
  settling: { ...ended, ...nothingRan, ...sleeps, ...byPerson, token: '·', timer: 'syncing!', write: '·', poke: 'syncing!', online: '·', doubt: '·' },
  debounce: { ...ended, ...nothingRan, ...sleeps, ...byPerson, timer: 'probing', write: '·', poke: 'syncing!', online: 'probing', doubt: '·' },
  asked: { ...ended, ...nothingRan, ...byPerson, start: '·', timer: 'waiting', reached: 'syncing!', unreached: 'waiting', write: '·', poke: 'syncing!', online: 'probing', doubt: '·' },
  doubting: { ...ended, ...nothingRan, ...sleeps, ...byPerson, timer: 'probing', write: 'syncing!', poke: 'syncing!', online: 'probing', doubt: '·' },
  syncing: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'idle', more: 'syncing!', unreachable: 'waiting', server: 'waiting', signedOut: 'syncing!', paused: 'paused', storage: 'attention' },
  woken: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'syncing!', more: 'syncing!', unreachable: 'waiting', server: 'waiting', signedOut: 'syncing!', paused: 'paused', storage: 'attention' },
  networked: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'syncing!', more: 'syncing!', unreachable: 'probing', server: 'waiting', signedOut: 'syncing!', paused: 'paused', storage: 'attention' },
  called: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'syncing!', more: 'syncing!', unreachable: 'syncing!', server: 'syncing!', signedOut: 'syncing!', paused: 'syncing!', storage: 'syncing!' },
  calledFresh: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'syncing!', more: 'syncing!', unreachable: 'syncing!', server: 'syncing!', signedOut: 'syncing!', paused: 'syncing!', storage: 'syncing!' },
  fresh: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'idle', more: 'syncing!', unreachable: 'waiting', server: 'waiting', signedOut: 'paused', paused: 'paused', storage: 'attention' },
  resigned: { ...ended, ...sleeps, write: 'syncing', poke: 'syncing', online: 'syncing', doubt: 'syncing', foreground: 'syncing', manual: 'syncing', resume: 'syncing', token: 'syncing', done: 'syncing!', more: 'syncing!', unreachable: 'waiting', server: 'waiting', signedOut: 'syncing!', paused: 'paused', storage: 'attention' },
  unreachable: { ...ended, ...nothingRan, ...sleeps, ...byPerson, timer: 'syncing!', write: '·', poke: 'syncing!', online: 'probing', doubt: '·' },
  refused: { ...ended, ...nothingRan, ...sleeps, ...byPerson, foreground: '·', timer: 'syncing!', write: '·', poke: '·', online: '·', doubt: '·' },
  attention: { ...ended, ...nothingRan, ...sleeps, ...byPerson, timer: 'syncing!', write: '·', poke: '·', online: '·', doubt: '·' },
  byUser: { ...ended, ...nothingRan, ...sleeps, write: '·', poke: '·', online: '·', doubt: '·', foreground: '·', manual: '·', resume: 'syncing!', token: '·' },
  signedOut: { ...ended, ...nothingRan, ...sleeps, ...byPerson, write: '·', poke: '·', online: '·', doubt: '·' },
}

const stateNames = Object.keys(states).filter((name): name is StateName => name in states)
const eventNames = Object.keys(events).filter((name): name is EventName => name in events)

test('the table holds every kind of state and event', () => expect([allStates, allEvents]).toEqual([true, true]))

test.each(stateNames.flatMap((state) => eventNames.map((event) => ({ state, event, cell: table[state][event] }))))(
  '[SM1][SM2] $state × $event → $cell',
  ({ state, event, cell }) => {
    const next = step(states[state], events[event], half)
    if (cell === '·') expect(next).toEqual({ state: states[state], effects: [] })
    else expect(`${next.state.kind}${ordersRound(next) ? '!' : ''}`).toBe(cell)
  },
)

test('[SM2] whatever wakes a round that runs makes another follow', () => {
  for (const event of ['write', 'poke', 'online', 'doubt', 'foreground', 'manual', 'resume', 'token'] as const) {
    const woken = step(states.syncing, events[event], half).state
    expect(ordersRound(step(woken, events.done, half)), event).toBe(true)
  }
})

test('[L-1] every state is left by its own timer, by the round or probe that it ordered, or by an act of a person', () => {
  for (const state of stateNames) {
    for (const event of eventNames) {
      const next = step(states[state], events[event], half)
      if (next.state.kind === states[state].kind) continue // Whatever was set on entering stands.
      expect(hasWayOut(next), `${state} × ${event}`).toBe(true)
    }
  }
})

test('[L-1] no state stands against every event', () => {
  for (const state of stateNames) {
    expect(eventNames.some((event) => step(states[state], events[event], half).state.kind !== state)).toBe(true)
  }
})

test('full jitter under 1 s · 2ⁿ, at most 60 s', () => {
  const most = { ...half, random: { next: () => 0.999_999 } }
  const delays = [0, 1, 2, 3, 4, 5, 6, 50].map((attempt) =>
    timerOf(step({ ...states.syncing, attempt }, events.server, most)),
  )
  expect(delays).toEqual([999, 1999, 3999, 7999, 15999, 31999, 59999, 59999])
  const least = { ...half, random: { next: () => 0 } }
  expect(timerOf(step(states.syncing, events.server, least))).toBe(0)
})

test.each([
  { asked: 0, obeyed: 1_000 },
  { asked: 5_000, obeyed: 5_000 },
  { asked: 86_400_000, obeyed: 3_600_000 },
])('Retry-After of $asked ms is obeyed as $obeyed, and a tenth more at most', ({ asked, obeyed }) => {
  const event: SyncEvent = { kind: 'failed', failure: { ...failures.server, retryAfterMs: asked } }
  expect(timerOf(step(states.syncing, event, { ...half, random: { next: () => 0 } }))).toBe(obeyed)
  const next = step(states.syncing, event, half)
  expect(timerOf(next)).toBe(obeyed * 1.05)
  expect(next.state).toMatchObject({ kind: 'waiting', retryAtMs: nowMs + obeyed * 1.05 })
})

test('the attempts are counted up to the round that goes well', () => {
  const failed = step({ ...states.syncing, attempt: 4 }, events.unreachable, half).state
  expect(failed).toMatchObject({ kind: 'waiting', attempt: 5 })
  expect(step(failed, events.timer, half).state).toMatchObject({ kind: 'syncing', attempt: 5 })
  expect(step({ ...states.syncing, attempt: 5 }, events.more, half).state).toMatchObject({ attempt: 0 })
})

test('a server that is behind is asked again after 50 ms, doubling to 1 s', () => {
  const delays: (number | null)[] = []
  let state: SyncState = states.syncing
  for (let round = 0; round < 7; round += 1) {
    const rest = step(state, { kind: 'done', more: false, behind: true, retryMs: null }, half)
    delays.push(timerOf(rest))
    state = step(rest.state, events.timer, half).state
  }
  expect(delays).toEqual([behindMsMin, 100, 200, 400, 800, behindMsMax, behindMsMax])
  expect(timerOf(step(state, events.done, half))).toBe(pollMs)
})

test('delays: a write, a network that came, the question for it, storage in trouble, and the time between rounds', () => {
  expect(timerOf(step(states.idle, events.write, half))).toBe(writeDelayMs)
  expect(timerOf(step(states.idle, events.online, half))).toBe(onlineDelayMs)
  expect(timerOf(step(states.debounce, events.timer, half))).toBe(probeMsMax)
  expect(timerOf(step(states.syncing, events.storage, half))).toBe(attentionDelayMs)
  expect(timerOf(step(states.syncing, events.done, half))).toBe(pollMs)
})

test('a network that came is asked for before a round starts', () => {
  const debounced = step(states.unreachable, events.online, half)
  const asked = step(debounced.state, events.timer, half)
  expect(asked.effects).toContainEqual({ kind: 'probe' })
  expect(ordersRound(asked)).toBe(false)
  expect(ordersRound(step(asked.state, events.reached, half))).toBe(true)
})

test('401: a fresh token is asked for once, then sync pauses until there is one', () => {
  const again = step(states.syncing, events.signedOut, half)
  expect(again.effects).toEqual([{ kind: 'round', token: 'fresh' }])
  const paused = step(again.state, events.signedOut, half)
  expect(paused.state).toEqual({ kind: 'paused', why: 'signedOut' })
  expect(ordersRound(step(paused.state, events.token, half))).toBe(true)
})

test('pausing and stopping end what runs', () => {
  for (const state of stateNames) {
    expect(step(states[state], events.pause, half).effects).toEqual([{ kind: 'abort' }])
    expect(step(states[state], events.stop, half).effects).toEqual([{ kind: 'abort' }])
  }
})

function ordersRound(next: Step): boolean {
  return next.effects.some((effect) => effect.kind === 'round')
}

function timerOf(next: Step): number | null {
  return (
    next.effects.find((effect): effect is Extract<SyncEffect, { kind: 'timer' }> => effect.kind === 'timer')?.delayMs ??
    null
  )
}

function hasWayOut(next: Step): boolean {
  const kinds = next.effects.map((effect) => effect.kind)
  if (kinds.includes('timer') || kinds.includes('round')) return true
  return next.state.kind === 'paused' || next.state.kind === 'stopped'
}
