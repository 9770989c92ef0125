/**
 * The data of the contract suite, and writing them as push does: lock, change, write, and say in the feed of each scope what
 * became of the record. A lead is in the scope `all` and in the scope of its owner.
 */
import {
  collection,
  defineSchema,
  type FieldStamp,
  type Json,
  type JsonObject,
  type RecordId,
  type ServerRecord,
  t,
} from '@holdfast/core'
import type { FeedEntry, Scope, StoreTransaction } from '../ports/server-store.ts'
import { rowBytes } from '../push/row-bytes.ts'

export const leadsSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: { owner: t.text(), name: t.text(), visits: t.counter() },
      indexes: [['owner', 'updatedAt']],
      scope: { agent: 'owner' },
    }),
    things: collection({
      fields: {
        text: t.text(),
        integer: t.integer(),
        real: t.real(),
        boolean: t.boolean(),
        instant: t.instant(),
        enum: t.enum(['one', 'two']),
        json: t.json(),
        ref: t.ref('leads'),
        counter: t.counter(),
        note: t.text({ optional: true }),
        extra: t.json({ optional: true }),
        set: t.set(),
      },
    }),
    calls: collection({ fields: { lead: t.ref('leads', { optional: true }) }, scope: { via: 'lead' } }),
    marks: collection({ fields: { call: t.ref('calls') }, scope: { via: 'call' } }),
    // Named like what a store may have of its own.
    feed: collection({ fields: { title: t.text() } }),
    meta: collection({ fields: { title: t.text() } }),
    operations: collection({ fields: { title: t.text() } }),
  },
})

export interface Lead {
  readonly owner: string
  readonly name: string
  readonly visits: number
}

/** The value that a lead has next, from what it has now; null deletes it. */
export type NextLead = (before: Lead | null) => Lead | null

/** Where a change went: of what the test expects to find on devices. */
export interface SavedLead {
  readonly id: RecordId
  readonly version: number
  readonly place: number
}

export async function saveLeads(
  tx: StoreTransaction,
  changes: ReadonlyMap<RecordId, NextLead>,
): Promise<readonly SavedLead[]> {
  const before = await tx.load('leads', [...changes.keys()])
  const after = new Map<RecordId, ServerRecord>()
  const entries: FeedEntry[] = []
  for (const [id, next] of changes) {
    const record = before.get(id)
    const lead = next(record?.state === 'live' ? leadOf(record) : null)
    const version = (record?.version ?? 0) + 1
    const saved = lead === null ? deletedRecord(version, record) : liveRecord(version, { ...lead })
    after.set(id, saved)
    const scopes = record === undefined ? [] : scopesOf(leadOf(record))
    entries.push(...feedEntries(saved, { id, before: scopes, after: lead === null ? null : scopesOf(lead) }))
  }
  await tx.write('leads', after)
  await tx.feed(entries)
  return [...after].map(([id, { version }]) => ({ id, version, place: tx.place }))
}

export function scopesOf(lead: Lead): readonly Scope[] {
  return ['all', `agent:${lead.owner}`]
}

export function leadOf(record: ServerRecord): Lead {
  const { owner, name, visits } = record.values.fields
  return { owner: String(owner), name: String(name), visits: Number(visits) }
}

export function liveRecord(version: number, fields: JsonObject): ServerRecord {
  const at = 1_700_000_000_000
  return {
    version,
    state: 'live',
    values: { createdAt: at, updatedAt: at + version, fields },
    stamps: { '': stamp(version) },
    states: {},
  }
}

export function stamp(version: number): FieldStamp {
  return { version, device: 'd', user: 'u', stamp: `000.${version}`, at: 0 }
}

function deletedRecord(version: number, before: ServerRecord | undefined): ServerRecord {
  if (before === undefined) throw new Error('The test deletes a record that was never there.')
  return { ...before, version, state: 'deleted', stamps: { '': stamp(version) } }
}

function feedEntries(
  record: ServerRecord,
  {
    id,
    before,
    after,
  }: { readonly id: RecordId; readonly before: readonly Scope[]; readonly after: readonly Scope[] | null },
): readonly FeedEntry[] {
  const bytes = rowBytes(record)
  const entry = (scope: Scope, state: FeedEntry['state']): FeedEntry => ({
    scope,
    collection: 'leads',
    record: id,
    version: record.version,
    state,
    bytes: state === 'present' ? bytes : 0,
  })
  if (after === null) return before.map((scope) => entry(scope, 'deleted'))
  const left = before.filter((scope) => !after.includes(scope))
  return [...left.map((scope) => entry(scope, 'left')), ...after.map((scope) => entry(scope, 'present'))]
}

/** What a page of one collection must hold for a record. */
export function rowOf(id: RecordId, record: ServerRecord, fields: readonly string[]): readonly Json[] {
  const { createdAt, updatedAt, fields: values } = record.values
  return [id, record.version, createdAt, updatedAt, ...fields.map((name) => values[name] ?? null)]
}
