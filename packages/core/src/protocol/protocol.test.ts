import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EngineError } from '../errors.ts'
import { parseDeviceId, parseGeneration, parseOperationId, parseTransactionId, parseUserId } from '../ids.ts'
import { canonicalJson, type Json } from '../json.ts'
import { type Operation, operationKinds, operationText, parseOperation } from './operation.ts'
import { type Outcome, parseOutcome } from './outcome.ts'
import { parseSyncReply, syncReplyText } from './sync-reply.ts'
import { parseSyncRequest, syncRequestText } from './sync-request.ts'

const uuid = '0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000'

const operation: Operation = {
  id: parseOperationId(uuid),
  user: parseUserId('agent-1'),
  device: parseDeviceId(uuid),
  seq: 1,
  tx: { id: parseTransactionId(uuid), index: 0, count: 1 },
  collection: 'leads',
  record: 'lead-1',
  kind: 'update',
  fields: { stage: 'won' },
  was: { stage: 'new' },
  base: { generation: parseGeneration('abcd1234'), version: 3 },
  time: { at: 5, epoch: 0, hlc: { ms: 5, counter: 1 } },
  schemaVersion: 1,
  replaces: [],
  settles: [],
}

const request = {
  schema: 1,
  user: operation.user,
  device: operation.device,
  clock: { nowMs: 9, epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
  cursor: 'c',
  pull: 'page',
  pending: 0,
  previousDevice: null,
} as const

test('an operation survives its text, and its text survives the wire byte for byte', () => {
  const text = operationText(operation)
  expect(parseOperation(JSON.parse(text))).toEqual(operation)
  const parsed = parseSyncRequest(JSON.parse(syncRequestText({ ...request, operations: [text] })))
  expect(parsed.operations).toEqual([{ operation, text }])
})

test.each(['page', 'snapshot', 'nothing'] as const)('what is wanted survives the wire: %s', (pull) => {
  expect(parseSyncRequest(JSON.parse(syncRequestText({ ...request, pull, operations: [] }))).pull).toBe(pull)
})

test('a settlement survives its text; an operation that settles nothing does not say so', () => {
  const settlement = { ...operation, settles: [{ conflict: `${uuid}.3`, revision: 2 }] }
  expect(parseOperation(JSON.parse(operationText(settlement)))).toEqual(settlement)
  expect(operationText(operation)).not.toContain('settles')
})

test.each(operationKinds)('an operation of kind %s survives its text', (kind) => {
  expect(parseOperation(JSON.parse(operationText({ ...operation, kind })))).toEqual({ ...operation, kind })
})

test.each<Outcome>([
  { kind: 'applied', id: operation.id, version: 4, place: 9 },
  { kind: 'merged', id: operation.id, version: 4, place: 9, dropped: ['stage'] },
  { kind: 'conflict', id: operation.id, version: 4, place: 9, fields: ['stage', ''] },
  { kind: 'rejected', id: operation.id, code: 'FORBIDDEN', field: null, problem: 'No.' },
  { kind: 'blocked', id: operation.id, by: operation.id },
])('an outcome survives the wire: $kind', (outcome) => {
  expect(parseOutcome(JSON.parse(JSON.stringify(outcome)))).toEqual(outcome)
})

test.each([
  { kind: 'conflict', id: uuid, version: 4, place: 9 },
  { kind: 'conflict', id: uuid, version: 4, place: 9, fields: 'stage' },
  { kind: 'conflict', id: uuid, version: 4, place: 9, fields: [7] },
  { kind: 'won', id: uuid, version: 4, place: 9 },
])('an outcome that does not parse is MALFORMED: %j', (outcome) => {
  expect(() => parseOutcome(outcome)).toThrow('MALFORMED')
})

test('what a device knows of its clock survives the wire, and a right clock says nothing of it', () => {
  const earlier = [
    [4, -3_600_000],
    [6, 0],
  ] as const
  const clock = { nowMs: 9, epoch: 7, offsetMs: -5_000, guessedFrom: 6, earlier }
  const text = syncRequestText({ ...request, clock, operations: [] })
  expect(parseSyncRequest(JSON.parse(text)).clock).toEqual(clock)
  expect(JSON.parse(syncRequestText({ ...request, operations: [] })).clock).toEqual({ now: 9, epoch: 0 })
})

test.each([
  ['now', -1],
  ['epoch', 0.5],
  ['offset', 2 ** 53],
  ['offset', '1'],
  ['guessed', true],
  ['earlier', {}],
  ['earlier', [[1]]],
  ['earlier', [[-1, 0]]],
  ['earlier', Array.from({ length: 1_001 }, (_, epoch) => [epoch, 0])],
])('a clock that does not parse is MALFORMED: %s', (member, value) => {
  const body = JSON.parse(syncRequestText({ ...request, operations: [] }))
  expect(() => parseSyncRequest({ ...body, clock: { ...body.clock, [member]: value } })).toThrow('MALFORMED')
})

test.each([
  ['id', 'x'],
  ['user', ''],
  ['seq', 0],
  ['seq', 1.5],
  ['tx', { id: uuid, index: 1, count: 1 }],
  ['tx', { id: uuid, index: 0, count: 501 }],
  ['record', 'r'.repeat(65)],
  ['kind', 'upsert'],
  ['fields', []],
  ['fields', { a: '\u0000' }],
  ['base', { generation: 'abcd1234', version: -1 }],
  ['base', { generation: '../etc', version: 1 }],
  ['time', { at: 5, epoch: 0, hlc: 'later' }],
  ['schemaVersion', null],
  ['settles', {}],
  ['settles', [['c']]],
  ['settles', [['c', 0]]],
  ['settles', [['', 1]]],
])('a malformed operation is named by its member: %s', (member, value) => {
  const broken = { ...JSON.parse(operationText(operation)), [member]: value }
  expect(() => parseOperation(broken)).toThrow(EngineError)
  expect(() => parseOperation(broken)).toThrow('MALFORMED')
})

test('keys that could reach a prototype are refused', () => {
  const text = operationText(operation).replace('"stage":"won"', '"__proto__":{"polluted":1}')
  expect(() => parseOperation(JSON.parse(text))).toThrow('MALFORMED')
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})

test('another protocol is told to upgrade', () => {
  const text = syncRequestText({ ...request, operations: [] }).replace('"protocol":1', '"protocol":2')
  expect(() => parseSyncRequest(JSON.parse(text))).toThrow('UPGRADE_REQUIRED')
})

test('a reason that this app does not know is still a refusal', () => {
  const outcome = { kind: 'rejected', id: uuid, code: 'OF_THE_FUTURE', field: null, problem: 'No.' }
  const reply = parseSyncReply({ generation: 'abcd1234', serverTime: 1, through: 1, outcomes: [outcome] })
  expect(reply.outcomes).toEqual([{ ...outcome, code: 'REFUSED' }])
})

test('an empty round stays under 300 bytes of bodies', () => {
  const up = syncRequestText({
    ...request,
    clock: { ...request.clock, nowMs: 1_795_000_000_000 },
    cursor: 'c'.repeat(80),
    operations: [],
  })
  const down = syncReplyText({ ...emptyReply, through: 1_234_567 })
  expect(up.length + down.length).toBeLessThanOrEqual(300)
  expect(parseSyncReply(JSON.parse(down))).toEqual({ ...emptyReply, through: 1_234_567 })
})

const emptyReply = {
  generation: parseGeneration('abcd1234'),
  serverTimeMs: 1_795_000_000_000,
  outcomes: [],
  changes: [],
  cursor: null,
  more: false,
  through: 0,
  behind: false,
  remaining: null,
  serverSchema: null,
  previous: null,
  snapshot: null,
}

test('a reply parses or is MALFORMED, whatever JSON comes: never another error', () => {
  const members = ['generation', 'serverTime', 'outcomes', 'changes', 'cursor', 'more', 'through', 'remaining'] as const
  const good: Record<string, unknown> = { generation: 'abcd1234', serverTime: 1, through: 1 }
  fc.assert(
    fc.property(fc.constantFrom(...members), fc.jsonValue(), (member, value) => {
      try {
        parseSyncReply({ ...good, [member]: value })
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError)
      }
    }),
  )
})

test('canonical JSON: equal values have equal texts, whatever the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const shuffled = reversedKeys(value as Json)
      expect(canonicalJson(shuffled)).toBe(canonicalJson(value as Json))
    }),
  )
})

function reversedKeys(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(reversedKeys)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversedKeys(item)]),
  )
}
