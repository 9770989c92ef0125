/** The backlog's effect as whole rows, and the tables of the raw limits of the server: what any server must at least store. */
import { quoted } from '@holdfast/core'
import { crm } from '../../apps/crm/src/schema.ts'
import { backlog, type Lead, type Work } from '../workload.ts'

type Value = string | number
export type ServerRow = { readonly [column: string]: Value }

export interface RowBatch {
  readonly table: 'leads' | 'calls'
  readonly rows: readonly ServerRow[]
}

export const tables = {
  leads: ['id', 'createdAt', 'updatedAt', ...Object.keys(crm.collections.leads.fields)],
  calls: ['id', 'createdAt', 'updatedAt', ...Object.keys(crm.collections.calls.fields)],
} as const satisfies Record<RowBatch['table'], readonly string[]>

const numeric = new Set(['createdAt', 'updatedAt', 'budget', 'visits', 'seconds', 'at'])

/** Every column with its type, under the name that this database gives to whole numbers of 64 bits. */
export function typedColumns(table: RowBatch['table'], integer: string): readonly string[] {
  return tables[table].map((name) => `${quoted(name)} ${numeric.has(name) ? integer : 'text'}`)
}

export function indexSql(table: RowBatch['table']): readonly string[] {
  return crm.collections[table].indexes.map(
    (columns) => `create index on_${table}_${columns.join('_')} on ${table} (${columns.map(quoted).join(', ')})`,
  )
}

export function upsertTail(table: RowBatch['table']): string {
  const kept = tables[table].slice(1).map((column) => `${quoted(column)} = excluded.${quoted(column)}`)
  return `on conflict (id) do update set ${kept.join(', ')}`
}

export function leadRow(lead: Lead): ServerRow {
  return { ...lead, visits: 0 }
}

export interface Backlog {
  readonly work: readonly Work[]
  readonly batches: readonly (readonly RowBatch[])[]
}

/**
 * One backlog after another over the same leads, each of exactly `count` operations: an edit to the value that is there already
 * is left out, because a device does not even queue it.
 */
export function createBacklogs(leads: readonly Lead[], count: number): () => Backlog {
  const current = new Map(leads.map((lead) => [lead.id, lead]))
  let seed = 2
  return () => {
    const work: Work[] = []
    const batches: RowBatch[][] = []
    let batch = createBatch()
    for (const one of backlog(leads, count + spare(count), seed)) {
      if (work.length === count) break
      if (!batch.take(one, current)) continue
      work.push(one)
      if (work.length % batchRowsMax !== 0) continue
      batches.push(batch.rows())
      batch = createBatch()
    }
    batches.push(batch.rows())
    if (work.length < count) throw new Error('Too many operations of the backlog change nothing.')
    seed += 1
    return { work, batches: batches.filter((parts) => parts.some(({ rows }) => rows.length > 0)) }
  }
}

/**
 * Rows whole and once: what has to be written when all that could be saved by working on sets was saved. An edit of a lead that
 * was edited before in its batch is folded into one row.
 */
function createBatch() {
  const touched = new Map<string, Lead>()
  const calls: ServerRow[] = []
  return {
    /** False when the operation changes nothing. */
    take(one: Work, current: Map<string, Lead>): boolean {
      if (one.type === 'call') {
        calls.push({ ...callFields(one.fields), id: one.id, createdAt: atMs, updatedAt: atMs })
        return true
      }
      const before = one.type === 'create' ? null : leadOf(current, one.id)
      const after =
        one.type === 'create' ? { id: one.id, ...one.fields } : { ...leadOf(current, one.id), ...one.fields }
      if (before !== null && JSON.stringify(before) === JSON.stringify(after)) return false
      current.set(one.id, after)
      touched.set(one.id, after)
      return true
    },
    rows: (): RowBatch[] => [
      { table: 'leads', rows: [...touched.values()].map(leadRow) },
      { table: 'calls', rows: calls },
    ],
  }
}

function spare(count: number): number {
  return Math.ceil(count / 5)
}

const batchRowsMax = 5_000
/** The day of the backlog; its value does not matter. */
export const atMs = 1_790_000_000_000

/** A call of the workload with the names of the CRM's schema, which has more fields. */
export function callFields(call: { readonly leadId: string; readonly outcome: string; readonly seconds: number }) {
  const outcome = call.outcome === 'no answer' ? 'no-answer' : call.outcome === 'busy' ? 'busy' : 'answered'
  return { lead: call.leadId, owner: 'manager', outcome, seconds: call.seconds, note: '', at: atMs } as const
}

function leadOf(leads: ReadonlyMap<string, Lead>, id: string): Lead {
  const lead = leads.get(id)
  if (lead === undefined) throw new Error(`The backlog edits ${id}, which does not exist.`)
  return lead
}
