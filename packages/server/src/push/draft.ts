/**
 * The records of a batch while it is judged: what the store holds, with the effects of the units so far over it.
 *
 * DR1  A unit's effects are seen by its own later operations at once, by later units when it is kept, by nobody when it is undone.
 */
import type { RecordId, ServerRecord } from '@holdfast/core'

export type LoadedRecords = ReadonlyMap<string, ReadonlyMap<RecordId, ServerRecord>>

export interface ChangedRecord {
  readonly collection: string
  readonly record: RecordId
  /** What the store holds; null: nothing. */
  readonly before: ServerRecord | null
  readonly after: ServerRecord
}

export interface Draft {
  get(collection: string, record: RecordId): ServerRecord | null
  set(collection: string, record: RecordId, after: ServerRecord): void
  keepUnit(): void
  undoUnit(): void
  /** What the kept units changed, each record once. */
  changed(): readonly ChangedRecord[]
}

export function createDraft(loaded: LoadedRecords): Draft {
  const kept = new Map<string, ChangedRecord>()
  const open = new Map<string, ChangedRecord>()
  const stored = (collection: string, record: RecordId) => loaded.get(collection)?.get(record) ?? null
  return {
    get: (collection, record) => {
      const key = recordKey(collection, record)
      return (open.get(key) ?? kept.get(key))?.after ?? stored(collection, record)
    },
    set: (collection, record, after) => {
      open.set(recordKey(collection, record), { collection, record, before: stored(collection, record), after })
    },
    keepUnit: () => {
      for (const [key, change] of open) kept.set(key, change)
      open.clear()
    },
    undoUnit: () => open.clear(),
    changed: () => [...kept.values()],
  }
}

/** One text for a record of a collection: a collection's name holds no space. */
export function recordKey(collection: string, record: RecordId): string {
  return `${collection} ${record}`
}
