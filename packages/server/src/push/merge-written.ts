/**
 * Catches up with records that another program has written past the judge, before they are served or judged (core's merge/written-past.ts).
 *
 * MW1  Nobody is served such a record before this, and it keeps its version: to devices it is one change.
 */
import { hash } from 'node:crypto'
import {
  caughtUp,
  collectionOf,
  conflictOf,
  parseOperationId,
  type RecordId,
  type Schema,
  type ServerRecord,
  sameJson,
} from '@holdfast/core'
import type { StoreTransaction } from '../ports/server-store.ts'
import { descentOf } from '../scope/descent.ts'
import { openConflicts } from './apply-push.ts'
import { type Change, recordKey } from './draft.ts'
import { systemChanges } from './system-changes.ts'

export interface WrittenRecord {
  readonly collection: string
  readonly record: RecordId
}

/**
 * @param noted may be noted for several processes.
 * @param take asked when the records are locked: those that no other process has caught up with since.
 */
export async function mergeWritten(
  tx: StoreTransaction,
  { schema, nowMs }: { readonly schema: Schema; readonly nowMs: number },
  noted: ReadonlyMap<string, readonly RecordId[]>,
  take: () => Promise<readonly WrittenRecord[]>,
): Promise<void> {
  const records = new Map<string, ReadonlyMap<RecordId, ServerRecord>>()
  for (const name of descentOf(schema).childrenFirst) {
    const ids = noted.get(name)
    if (ids !== undefined) records.set(name, await tx.load(name, ids))
  }
  const taken = (await take()).flatMap(({ collection: name, record: id }) => {
    const record = records.get(name)?.get(id)
    return record === undefined ? [] : [{ name, id, record }]
  })
  const located = await tx.locate(new Map([...records].map(([name, loaded]) => [name, [...loaded.keys()]])))
  const open = await openConflicts(
    tx,
    taken.map(({ name, id }) => recordKey(name, id)),
  )
  const changes = taken.map(({ name, id, record }): Change => {
    const known = [...(open.get(recordKey(name, id)) ?? [])].map(([conflict, row]) => conflictOf(conflict, row))
    const next = caughtUp(collectionOf(schema, name), record, known, (field) =>
      editAuthor(name, id, record.version, field),
    )
    const holds = located.get(name)?.get(id)?.scopes ?? []
    const decisions = next.dropped.map(({ conflict, decision }) => {
      const operation = parseOperationId(conflict.id.split('.', 1)[0])
      const met = { id: `${conflict.id}.x`, operation, by: next.writer, version: record.version }
      return { ...met, decision, scopes: holds }
    })
    return {
      collection: name,
      record: id,
      before: record,
      after: next.record,
      held: holds,
      holds,
      conflicts: next.conflicts,
      decisions,
    }
  })
  const system = systemChanges(schema, changes, { conflicts: open, luggage: new Map(), nowMs })
  for (const [name, own] of Map.groupBy(changes, ({ collection }) => collection)) {
    const changed = own.filter(({ before, after }) => !sameJson(before?.states ?? {}, after.states))
    if (changed.length > 0) await tx.write(name, new Map(changed.map(({ record, after }) => [record, after])))
  }
  for (const [name, rows] of system.rows) await tx.write(name, rows)
  if (system.entries.length > 0) await tx.feed(system.entries)
}

/** From 2 to 2^32 − 1, as the author of a shared text's change is. */
function editAuthor(name: string, id: RecordId, version: number, field: string): number {
  const digest = hash('sha256', JSON.stringify([name, id, version, field]), 'hex')
  return 2 + (Number.parseInt(digest.slice(0, 12), 16) % (2 ** 32 - 2))
}
