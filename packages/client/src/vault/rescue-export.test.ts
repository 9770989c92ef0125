import {
  type Operation,
  operationBytesMax,
  operationText,
  parseDeviceId,
  parseGeneration,
  parseOperationId,
  parseRecordId,
  parseRescue,
  parseTransactionId,
  parseUserId,
  type RefusalNote,
  rescueBytesMax,
  rescueOperationsMax,
} from '@holdfast/core'
import { expect, test } from 'vitest'
import { rescueExport } from './rescue-export.ts'

const uuid = (n: number) => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`

function textOf(n: number, tx: Operation['tx'], name: string): string {
  return operationText({
    id: parseOperationId(uuid(n)),
    user: parseUserId('ada'),
    device: parseDeviceId(uuid(0)),
    seq: n,
    tx,
    collection: 'leads',
    record: parseRecordId('r'),
    kind: 'update',
    fields: { name },
    was: { name: null },
    base: { generation: parseGeneration('gen1'), version: 3 },
    time: { at: 1_795_000_000_000, epoch: 2, hlc: { ms: 1_795_000_000_000, counter: 1 } },
    schemaVersion: 1,
    replaces: [],
    settles: [],
  })
}

/** App transactions of these sizes, each operation with so long a name. */
function queueOf(sizes: readonly number[], name: string, refused: RefusalNote | null = null) {
  let n = 0
  return sizes.flatMap((count) => {
    const id = parseTransactionId(uuid(n + 1))
    return Array.from({ length: count }, (_, index) => {
      n += 1
      return { text: textOf(n, { id, index, count }, name), refused }
    })
  })
}

const head = {
  user: parseUserId('ada'),
  device: parseDeviceId(uuid(9)),
  exportedAt: 7,
  schema: 1,
  clock: null,
}

/** Each file as the server takes it; operations in it. */
function taken(files: ReturnType<typeof rescueExport>): readonly (readonly Operation[])[] {
  return files.map(({ text, count }) => {
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(rescueBytesMax)
    const { items } = parseRescue(JSON.parse(text))
    expect(items).toHaveLength(count)
    return items.map(({ operation }) => operation.operation)
  })
}

const problem = '“long” '.repeat(280)
const refused = { code: 'FORBIDDEN', field: null, problem, refusedAt: 5 } as const

test.each<readonly [what: string, queue: ReturnType<typeof queueOf>, files: number]>([
  ['nothing', [], 1],
  ['as many as a file holds', queueOf(Array(rescueOperationsMax / 500).fill(500), 'x'), 1],
  ['one more', queueOf([...Array(rescueOperationsMax / 500).fill(500), 1], 'x'), 2],
  ['an app transaction over the end', queueOf([...Array(99).fill(500), 499, 2, 3], 'x'), 2],
  ['large ones', queueOf(Array(40).fill(1), 'x'.repeat(operationBytesMax - 2_000)), 2],
  ['texts that are longer as bytes', queueOf(Array(40).fill(3), '\u{1F98A}'.repeat(100_000)), 2],
  ['long reasons of refusals', queueOf(Array(20_000).fill(1), 'x', refused), 3],
])(
  '[V-3] [RF2] %s: each file is within the limits, transactions are whole, all is there in order',
  (_, queue, count) => {
    const files = rescueExport(head, queue)
    const parts = taken(files)
    expect(parts).toHaveLength(count)
    expect(parts.flat().map((operation) => operationText(operation))).toEqual(queue.map(({ text }) => text))
    for (const part of parts) {
      for (const unit of Map.groupBy(part, ({ tx }) => tx.id).values())
        expect(unit).toHaveLength(unit[0]?.tx.count ?? 0)
    }
    expect(new Set(files.map(({ name }) => name)).size).toBe(files.length)
  },
)

test('[RF1] what is no operation any more is left out, and does not cost the others', () => {
  const [one, two] = queueOf([1, 1], 'x')
  if (one === undefined || two === undefined) throw new Error('two were made')
  const damaged = { ...one, text: one.text.slice(0, -9) }
  expect(taken(rescueExport(head, [damaged, two]))).toMatchObject([[{ seq: 2 }]])
})
