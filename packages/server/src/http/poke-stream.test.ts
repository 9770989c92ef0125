import { EngineError } from '@holdfast/core'
import { expect, test } from 'vitest'
import { nobody } from '../ports/broker.ts'
import type { System } from '../ports/system.ts'
import { createPokeHub } from '../pull/poke.ts'
import { nodeSystem } from '../system/node-system.ts'
import { openPokeStream } from './poke-stream.ts'

/** Time that a test lets pass. */
function createTime(): { readonly system: System; pass(ms: number): Promise<void> } {
  let now = 0
  const timers = new Map<() => void, number>()
  return {
    system: {
      ...nodeSystem,
      nowMs: () => now,
      after: (delayMs, work) => {
        timers.set(work, now + delayMs)
        return () => void timers.delete(work)
      },
    },
    pass: async (ms) => {
      const end = now + ms
      for (;;) {
        await nodeSystem.breathe()
        const [next] = [...timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])
        if (next === undefined) break
        timers.delete(next[0])
        now = next[1]
        next[0]()
      }
      now = end
    },
  }
}

function firstLine(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes).split('\n')[0] ?? ''
}

function openStream(check: () => Promise<readonly string[]>) {
  const { system, pass } = createTime()
  const hub = createPokeHub({ horizon: async () => 99, broker: nobody, system })
  let isClosed = false
  const stream = openPokeStream(
    { hub, system },
    { device: 'd1', scopes: ['agent:ali'], check, onClose: () => (isClosed = true) },
  )
  const said: string[] = []
  const reading = (async () => {
    for await (const bytes of stream.body) said.push(firstLine(bytes))
  })()
  return { hub, pass, said, reading, isClosed: () => isClosed }
}

const alive = ': alive'
const poke = 'event: poke'
const revoked = new EngineError('UNAUTHENTICATED', 'Revoked.')
const unavailable = new EngineError('OVERLOADED', 'The keys cannot be had now.')

test('[HP1] [I-27] a token that is revoked ends an open stream within 60 s: at its next heartbeat', async () => {
  let isRevoked = false
  const stream = openStream(async () => {
    if (isRevoked) throw revoked
    return ['agent:ali']
  })
  await stream.pass(59_999)
  isRevoked = true
  expect([stream.said, stream.isClosed()]).toEqual([[alive, alive, alive], false])
  await stream.pass(20_000)
  await stream.reading
  expect([stream.said, stream.isClosed()]).toEqual([[alive, alive, alive], true])
})

test('[HP1] [I-27] one check without an answer ends nothing; without an answer for long, a stream ends within 60 s of the last good check', async () => {
  let answer: 'good' | 'error' | 'never' = 'error'
  const stream = openStream(async () => {
    if (answer === 'error') throw unavailable
    if (answer === 'never') return new Promise(() => {})
    return ['agent:ali']
  })
  await stream.pass(20_000)
  answer = 'good'
  await stream.pass(20_000)
  expect([stream.said, stream.isClosed()]).toEqual([[alive, alive, alive], false])
  answer = 'never'
  await stream.pass(49_000)
  expect(stream.isClosed()).toBe(false)
  await stream.pass(2_000)
  await stream.reading
  expect(stream.isClosed()).toBe(true)
})

test('[HP3] scopes that changed are listened to from the next heartbeat on, and count as a poke', async () => {
  let scopes = ['agent:ali']
  const stream = openStream(async () => scopes)
  stream.hub.announce({ place: 1, touched: new Map([['team:1', null]]) })
  scopes = ['team:1']
  await stream.pass(20_000)
  expect(stream.said).toEqual([alive, alive, poke])
  stream.hub.announce({ place: 2, touched: new Map([['team:1', null]]) })
  stream.hub.announce({ place: 3, touched: new Map([['agent:ali', null]]) })
  await stream.pass(20_000)
  expect(stream.said).toEqual([alive, alive, poke, poke, alive])
})

test('[HP2] a reader that does not read gets one poke for many', async () => {
  const { system, pass } = createTime()
  const hub = createPokeHub({ horizon: async () => 99, broker: nobody, system })
  const { body } = openPokeStream(
    { hub, system },
    { device: null, scopes: ['all'], check: async () => ['all'], onClose: () => undefined },
  )
  const reader = body.getReader()
  await reader.read()
  for (let place = 1; place <= 1_000; place += 1) hub.announce({ place, touched: new Map([['all', null]]) })
  await pass(1)
  const next = async () => firstLine((await reader.read()).value)
  expect(await next()).toBe(poke)
  await pass(20_000)
  expect(await next()).toBe(alive)
})
