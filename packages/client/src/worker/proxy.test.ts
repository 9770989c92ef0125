import { EngineError } from '@holdfast/core'
import { createFakeClock, createFakeTimers } from '@holdfast/testing'
import { expect, test } from 'vitest'
import type { ToEngine } from './messages.ts'
import { callMsMax, createEngineProxy } from './proxy.ts'

function open({ token = async (): Promise<string | null> => 'token' } = {}) {
  const clock = createFakeClock()
  const timers = createFakeTimers(clock)
  const problems: Error[] = []
  const proxy = createEngineProxy({
    clock,
    timers,
    token,
    onProblem: (error) => problems.push(error),
    onClose: async () => {},
  })
  const leader = () => {
    const said: ToEngine[] = []
    proxy.setRoute((message) => said.push(message))
    return said
  }
  return { timers, proxy, problems, leader }
}

test('what is asked before anybody leads is said when somebody does', async () => {
  const { proxy, leader } = open()
  const asked = proxy.ask('kvGet', { key: 'a' })
  const said = leader()
  expect(said).toEqual([{ kind: 'call', call: 1, name: 'kvGet', args: { key: 'a' } }])
  proxy.receive({ kind: 'answer', call: 1, value: 'x' })
  expect(await asked).toBe('x')
})

test('[PX2] [PX3] a new leader hears the watches and the calls without an answer, in their order, and no other', async () => {
  const { proxy, leader } = open()
  leader()
  proxy.watch('inbox', null, () => {})
  const stop = proxy.watch('status', null, () => {})
  void proxy.ask('kvGet', { key: 'a' })
  void proxy.ask('kvGet', { key: 'b' })
  void proxy.ask('kvGet', { key: 'c' })
  proxy.receive({ kind: 'answer', call: 4, value: null })
  stop()
  const said = leader().map((message) => ('call' in message ? message.call : 'watch' in message && message.watch))
  expect(said).toEqual([1, 3, 5])
})

test('[PX1] a call without an answer fails at its deadline; one that waits for the server does not', async () => {
  const { proxy, timers, leader } = open()
  leader()
  const ends: string[] = []
  proxy.ask('kvGet', { key: 'a' }).catch((error) => ends.push(error.code))
  proxy.ask('syncNow', null).catch((error) => ends.push(error.code))
  await timers.advance(callMsMax - 1_000)
  expect(ends).toEqual([])
  await timers.advance(10_000)
  expect(ends).toEqual(['STORAGE_LOCKED'])
})

test('[PX1] when the client is closed, everything fails, and nothing is answered any more', async () => {
  const { proxy, leader } = open()
  leader()
  const told: unknown[] = []
  proxy.watch('kv', { key: 'a' }, (value) => told.push(value))
  const asked = proxy.ask('kvGet', { key: 'a' })
  proxy.fail(new Error('closed'))
  await expect(asked).rejects.toThrow('closed')
  await expect(proxy.ask('kvGet', { key: 'a' })).rejects.toThrow('closed')
  proxy.receive({ kind: 'update', watch: 1, value: 'x' })
  expect(told).toEqual([])
})

const status = { kind: 'idle', pending: 3, refused: 0 }
const reload = new EngineError('STORAGE_LOCKED', 'reload this tab.')

test('[PX4] beside a leader of another version every call fails at once and the status says so, until there is a route', async () => {
  const { proxy, leader } = open()
  leader()
  const told: unknown[] = []
  proxy.watch('status', null, (value) => told.push(value))
  proxy.receive({ kind: 'update', watch: 1, value: status })
  const early = [proxy.ask('kvGet', { key: 'a' }), proxy.ask('syncNow', null)]
  proxy.block(reload)
  for (const asked of [...early, proxy.ask('waiting', null)]) await expect(asked).rejects.toBe(reload)
  expect(told).toMatchObject([
    { kind: 'idle' },
    { kind: 'attention', code: 'STORAGE_LOCKED', problem: 'reload this tab.', pending: 3 },
  ])
  const said = leader()
  expect(said).toMatchObject([{ kind: 'watch', name: 'status' }])
  proxy.receive({ kind: 'update', watch: 1, value: status })
  expect(told.at(-1)).toEqual(status)
})

test('errors come back as what they were', async () => {
  const { proxy, leader } = open()
  leader()
  const asked = proxy.ask('kvGet', { key: 'a' })
  const failure = { name: 'EngineError', code: 'STORAGE_FULL', problem: 'the disk is full.', field: null }
  proxy.receive({ kind: 'failure', call: 1, failure })
  await expect(asked).rejects.toMatchObject({ name: 'EngineError', code: 'STORAGE_FULL' })
})

test('a token is given when it is asked for; a function that throws says so', async () => {
  const { proxy, timers, leader } = open({ token: () => Promise.reject(new Error('no network')) })
  const said = leader()
  proxy.receive({ kind: 'askToken', ask: 7, fresh: true })
  await timers.settle()
  expect(said).toEqual([{ kind: 'token', ask: 7, given: { kind: 'failed', problem: 'no network' } }])
})

test('a watch whose query is wrong is told as a problem, and not again', () => {
  const { proxy, problems, leader } = open()
  leader()
  proxy.watch('inbox', null, () => {})
  const failure = { name: 'UsageError', code: null, problem: 'no such column', field: null }
  proxy.receive({ kind: 'watchFailed', watch: 1, failure })
  expect(problems).toMatchObject([{ name: 'UsageError', message: 'no such column' }])
  expect(leader()).toEqual([])
})

test('messages of somebody else are passed over', () => {
  const { proxy } = open()
  for (const data of [null, 'hello', 5, {}, { kind: 'other' }]) proxy.receive(data)
})
