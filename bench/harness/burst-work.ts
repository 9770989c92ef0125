/** What each device of a burst brings: 30% new leads, 60% edits of one or two fields, 10% calls, each to another lead of its own. */
import type { RowBatch, ServerRow } from '../raw/server-rows.ts'
import { atMs, leadRow } from '../raw/server-rows.ts'
import { type Lead, leads, random } from '../workload.ts'

export interface BurstOperation {
  readonly collection: 'leads' | 'calls'
  readonly record: string
  readonly kind: 'create' | 'update' | 'increment'
  readonly fields: { readonly [field: string]: string | number }
}

export interface DeviceWork {
  readonly user: string
  readonly operations: readonly BurstOperation[]
}

export interface Burst {
  readonly devices: readonly DeviceWork[]
  /** The same effect as whole rows, in two sets. */
  readonly batches: readonly (readonly RowBatch[])[]
}

/** One burst after another over the same leads. */
export function createBursts(rows: readonly Lead[], devices: number, each: number): () => Burst {
  const current = new Map<string, Lead & { readonly visits: number }>(
    rows.map((lead) => [lead.id, { ...lead, visits: 0 }]),
  )
  const byOwner = Map.groupBy(rows, ({ owner }) => owner)
  const users = [...byOwner.keys()].slice(0, devices)
  let round = 0
  return () => {
    round += 1
    const next = random(1_000 + round)
    const fresh = leads(devices * each, 2_000 + round)
    const leadRows: ServerRow[] = []
    const callRows: ServerRow[] = []
    const work = users.map((user, index): DeviceWork => {
      const own = byOwner.get(user) ?? []
      const start = Math.floor(next() * own.length)
      const operations = Array.from({ length: each }, (_, n): BurstOperation => {
        const spare = fresh[index * each + n]
        const lead = own[(start + n) % own.length]
        if (spare === undefined || lead === undefined) throw new Error('A device of the burst has no lead.')
        const known = current.get(lead.id) ?? { ...lead, visits: 0 }
        if (n % 10 < 3) {
          const { id, createdAt: _, updatedAt: __, ...fields } = { ...spare, owner: user }
          leadRows.push(leadRow({ ...spare, owner: user }))
          return { collection: 'leads', record: id, kind: 'create', fields }
        }
        if (n % 10 === 9) {
          const fields = { lead: lead.id, owner: user, outcome: 'answered', seconds: n, note: '', at: atMs } as const
          callRows.push({ ...fields, id: spare.id, createdAt: atMs, updatedAt: atMs })
          return { collection: 'calls', record: spare.id, kind: 'create', fields }
        }
        const operation = edit(n, known, `round ${round}: ${spare.notes.slice(0, 40)}`)
        const after =
          operation.kind === 'increment' ? { ...known, visits: known.visits + 1 } : { ...known, ...operation.fields }
        current.set(lead.id, after)
        leadRows.push({ ...after })
        return operation
      })
      return { user, operations }
    })
    const half = Math.ceil(leadRows.length / 2)
    return {
      devices: work,
      batches: [
        [{ table: 'leads', rows: leadRows.slice(0, half) }],
        [
          { table: 'leads', rows: leadRows.slice(half) },
          { table: 'calls', rows: callRows },
        ],
      ],
    }
  }
}

/** Always to another value: what changes nothing is not even queued. */
function edit(n: number, { id, stage, budget }: Lead, notes: string): BurstOperation {
  const of = { collection: 'leads', record: id } as const
  if (n % 3 === 0) return { ...of, kind: 'update', fields: { stage: stage === 'visit' ? 'reserved' : 'visit' } }
  if (n % 3 === 1) return { ...of, kind: 'update', fields: { budget: budget + 50_000, notes } }
  return { ...of, kind: 'increment', fields: { visits: 1 } }
}
