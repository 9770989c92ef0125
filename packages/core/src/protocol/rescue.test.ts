import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EngineError } from '../errors.ts'
import {
  parseDeviceId,
  parseGeneration,
  parseOperationId,
  parseRecordId,
  parseTransactionId,
  parseUserId,
} from '../ids.ts'
import { type Operation, operationText } from './operation.ts'
import { parseRescue, rescueText } from './rescue.ts'

const uuid = (n: number) => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`

const operation = (n: number, more: Partial<Operation> = {}): Operation => ({
  id: parseOperationId(uuid(n)),
  user: parseUserId('ada'),
  device: parseDeviceId(uuid(0)),
  seq: n,
  tx: { id: parseTransactionId(uuid(n)), index: 0, count: 1 },
  collection: 'leads',
  record: parseRecordId('r'),
  kind: 'update',
  fields: { name: 'Möna "x"', 7: [1e21, -0.5] },
  was: { name: null },
  base: { generation: parseGeneration('gen1'), version: 3 },
  time: { at: 1_795_000_000_000, epoch: 2, hlc: { ms: 1_795_000_000_000, counter: 1 } },
  schemaVersion: 1,
  replaces: [],
  settles: [],
  ...more,
})

const refused = { code: 'FORBIDDEN', field: null, problem: 'No.', refusedAt: 5 } as const
const clock = { nowMs: 7, epoch: 3, offsetMs: -9_000, guessedFrom: null, earlier: [[1, 60_000]] } as const
const head = { user: parseUserId('ada'), device: parseDeviceId(uuid(9)), exportedAt: 7, schema: 1, clock }
const texts = [operationText(operation(1)), operationText(operation(2))]
const file = rescueText({
  ...head,
  items: [
    { text: texts[0] ?? '', refused: null },
    { text: texts[1] ?? '', refused },
  ],
})

test('[RF1] [RF3] a rescue file holds each operation byte for byte, with the reason why it was refused, and its clock', () => {
  const parsed = parseRescue(JSON.parse(file))
  expect(parsed).toMatchObject(head)
  expect(parsed.items.map(({ operation: { text } }) => text)).toEqual(texts)
  expect(parsed.items.map((item) => item.refused)).toEqual([null, refused])
  // Even when a person's tool has laid it out anew.
  const laidOut = JSON.stringify(JSON.parse(file), null, 4)
  expect(parseRescue(JSON.parse(laidOut)).items.map(({ operation: { text } }) => text)).toEqual(texts)
  expect(parseRescue(JSON.parse(rescueText({ ...head, items: [] }))).items).toEqual([])
  expect(parseRescue(JSON.parse(rescueText({ ...head, clock: null, items: [] }))).clock).toBe(null)
})

test.each<readonly [what: string, code: string, change: (file: { [member: string]: unknown }) => unknown]>([
  ['another format', 'MALFORMED', (f) => ({ ...f, holdfast: 'backup' })],
  ['a later version', 'MALFORMED', (f) => ({ ...f, version: 2 })],
  ['an array', 'MALFORMED', (f) => [f]],
  ['no items', 'MALFORMED', ({ items: _, ...f }) => f],
  ['an item that is no operation', 'MALFORMED', (f) => ({ ...f, items: [{ operation: {} }] })],
  ['an operation twice', 'MALFORMED', (f) => ({ ...f, items: [...list(f.items), ...list(f.items)] })],
  ['somebody else as its user', 'USER_MISMATCH', (f) => ({ ...f, user: 'eve' })],
  [
    'one operation of somebody else among its own',
    'USER_MISMATCH',
    (f) => ({ ...f, items: [...list(f.items), { operation: parsedText(operation(3, { user: parseUserId('eve') })) }] }),
  ],
  ['too many operations', 'TOO_LARGE', (f) => ({ ...f, items: Array(50_001).fill(0) })],
])('[RF1] a file is refused whole: %s', (_, code, change) => {
  expect(() => parseRescue(change(JSON.parse(file)))).toThrow(code)
})

test('[RF1] whatever JSON is put in place of a part of the file: it parses or is an EngineError', () => {
  const members = ['holdfast', 'version', 'user', 'device', 'exportedAt', 'schema', 'clock', 'items'] as const
  fc.assert(
    fc.property(fc.constantFrom(...members), fc.jsonValue(), fc.boolean(), (member, value, inside) => {
      const good = JSON.parse(file)
      const changed = inside ? { ...good, items: [{ operation: value, refused: value }] } : { ...good, [member]: value }
      try {
        parseRescue(changed)
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError)
      }
    }),
  )
})

function list(items: unknown): readonly unknown[] {
  return Array.isArray(items) ? items : []
}

function parsedText(given: Operation): unknown {
  return JSON.parse(operationText(given))
}
