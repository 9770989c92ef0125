/**
 * The law of the queue's second copy as cases that run in any thread. `open` opens the copy of a name, again and again; `other` opens
 * that of another name.
 */
import { assert, parseDeviceId, parseOperationId, parseUserId } from '@holdfast/core'
import type { KeptOperation, QueueCopy, QueueOwner } from '../ports/queue-copy.ts'

export interface QueueCopyCase {
  readonly name: string
  readonly run: (open: () => Promise<QueueCopy>, other: () => Promise<QueueCopy>) => Promise<void>
}

const uuid = (n: number) => `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
const owner: QueueOwner = { user: parseUserId('ada'), device: parseDeviceId(uuid(1)) }

function kept(seq: number, more: Partial<KeptOperation> = {}): KeptOperation {
  const text = JSON.stringify({ n: seq, name: 'Möna "x"\n\u{1F98A}', deep: [{ '': [1e21, -0.5, null] }] })
  return { id: parseOperationId(uuid(1_000 + seq)), seq, text, refused: null, ...more }
}

const refused = { code: 'INVALID_VALUE', field: 'name', problem: 'name must be “short”.', refusedAt: -5 } as const

export const queueCopyCases: readonly QueueCopyCase[] = [
  {
    name: '[QC2] a copy that was never written has no owner and holds nothing',
    run: async (open) => {
      const copy = await open()
      same(await copy.read(), { owner: null, operations: [], isWhole: true })
      await copy.close()
    },
  },
  {
    name: '[QC1] [QC2] what was written is read again, text for text and in order, also by the next one who opens it',
    run: async (open) => {
      const copy = await open()
      const all = [kept(1), kept(2, { refused }), kept(10), kept(900)]
      await copy.write({ owner, put: [all[3], all[1]].filter((one) => one !== undefined), remove: [] })
      await copy.write({ owner, put: [all[0], all[2]].filter((one) => one !== undefined), remove: [] })
      same(await copy.read(), { owner, operations: all, isWhole: true })
      await copy.close()
      const again = await open()
      same(await again.read(), { owner, operations: all, isWhole: true })
      await again.close()
    },
  },
  {
    name: '[QC1] calls that are not waited for take effect in their order',
    run: async (open) => {
      const copy = await open()
      const writes: Promise<void>[] = []
      for (let n = 1; n <= 50; n += 1) {
        const remove = n > 1 ? [kept(n - 1).id] : []
        writes.push(copy.write({ owner, put: [kept(n)], remove }))
      }
      await Promise.all(writes)
      same(await copy.read(), { owner, operations: [kept(50)], isWhole: true })
      await copy.close()
    },
  },
  {
    name: '[QC3] a change that is written twice counts once; what is there is replaced; removing what is absent is no error',
    run: async (open) => {
      const copy = await open()
      const change = { owner, put: [kept(1), kept(2)], remove: [kept(7).id] }
      await copy.write(change)
      await copy.write(change)
      const moved = kept(2, { seq: 5, refused })
      await copy.write({ owner, put: [moved], remove: [kept(1).id] })
      same(await copy.read(), { owner, operations: [moved], isWhole: true })
      const next: QueueOwner = { ...owner, device: parseDeviceId(uuid(2)) }
      await copy.write({ owner: next, put: [], remove: [moved.id] })
      same(await copy.read(), { owner: next, operations: [], isWhole: true })
      await copy.close()
    },
  },
  {
    name: '[QC4] [I-26] two copies know nothing of each other',
    run: async (open, other) => {
      const [ada, eve] = [await open(), await other()]
      await ada.write({ owner, put: [kept(1)], remove: [] })
      same(await eve.read(), { owner: null, operations: [], isWhole: true })
      const hers: QueueOwner = { ...owner, user: parseUserId('eve') }
      await eve.write({ owner: hers, put: [], remove: [kept(1).id] })
      same(await ada.read(), { owner, operations: [kept(1)], isWhole: true })
      await ada.close()
      await eve.close()
    },
  },
  {
    name: '[QC5] what was not removed outlives a purge',
    run: async (open) => {
      const copy = await open()
      await copy.purge()
      await copy.write({ owner, put: [kept(1), kept(2)], remove: [] })
      await copy.write({ owner, put: [], remove: [kept(1).id] })
      await copy.purge()
      same(await copy.read(), { owner, operations: [kept(2)], isWhole: true })
      await copy.close()
    },
  },
  {
    name: '[QC1] ten thousand operations are one change',
    run: async (open) => {
      const copy = await open()
      const many = Array.from({ length: 10_000 }, (_, index) => kept(index + 1))
      await copy.write({ owner, put: many, remove: [] })
      same((await copy.read()).operations.length, many.length)
      await copy.write({ owner, put: [], remove: many.slice(1).map(({ id }) => id) })
      same((await copy.read()).operations, many.slice(0, 1))
      await copy.close()
    },
  },
]

function same(found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  assert(a === b, `the copy holds ${b.slice(0, 300)}, not ${a.slice(0, 300)}`)
}
