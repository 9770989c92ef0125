/**
 * Open conflicts and decisions about fields that a migration has moved, in the new form. One about a field that was split becomes one
 * for each part on which the sides differ: the first keeps its id, the others are new records of the feed, in the scopes of the first.
 */
import {
  conflictsCollection,
  decisionsCollection,
  type JsonObject,
  movesBetween,
  openCountOf,
  partId,
  questionsUp,
  type RecordId,
  type Schema,
  type ServerRecord,
  withOpenCount,
} from '@holdfast/core'
import type { FeedEntry, StoreTransaction, SystemCollection } from '../ports/server-store.ts'
import { rowBytes } from '../push/row-bytes.ts'
import { moveRowsMax } from './field-moves.ts'

/** What the tables of an earlier version have become, and what is left to do when all tables are there. */
export interface Moved {
  /** The version of before. */
  readonly from: number
  /** Rows about collections whose fields have moved, by the engine's collection. */
  readonly questions: ReadonlyMap<SystemCollection, readonly RecordId[]>
}

export async function moveQuestions(tx: StoreTransaction, schema: Schema, { from, questions }: Moved): Promise<void> {
  for (const [name, all] of questions) {
    for (let start = 0; start < all.length; start += moveRowsMax) {
      await moveRows(tx, { schema, from, name }, all.slice(start, start + moveRowsMax))
    }
  }
}

interface Move {
  readonly schema: Schema
  readonly from: number
  readonly name: SystemCollection
}

async function moveRows(tx: StoreTransaction, { schema, from, name }: Move, ids: readonly RecordId[]): Promise<void> {
  const rows = await tx.load(name, [...ids].sort())
  const moved = new Map<RecordId, ServerRecord>()
  const added = new Map<RecordId, { readonly row: ServerRecord; readonly of: RecordId }>()
  for (const [id, row] of rows) {
    if (row.state === 'deleted') continue
    const moves = movesBetween(schema, String(row.values.fields.collection), from, schema.version)
    for (const [index, fields] of questionsUp(moves, row.values.fields).entries()) {
      if (index === 0) moved.set(id, withFields(row, fields))
      else added.set(partId(id, index), { row: { ...withFields(row, fields), version: 1 }, of: id })
    }
  }
  await tx.write(name, new Map([...moved, ...[...added].map(([id, { row }]) => [id, row] as const)]))
  if (added.size === 0) return
  await tx.feed(await entriesOf(tx, name, added))
  if (name === conflictsCollection)
    await countMore(
      tx,
      [...added.values()].map(({ row }) => row),
    )
}

function withFields(row: ServerRecord, fields: JsonObject): ServerRecord {
  return { ...row, values: { ...row.values, fields } }
}

async function entriesOf(
  tx: StoreTransaction,
  name: SystemCollection,
  added: ReadonlyMap<RecordId, { readonly row: ServerRecord; readonly of: RecordId }>,
): Promise<readonly FeedEntry[]> {
  const located = (await tx.locate(new Map([[name, [...added.values()].map(({ of }) => of).sort()]]))).get(name)
  return [...added].flatMap(([record, { row, of }]) =>
    (located?.get(of)?.scopes ?? []).map((scope): FeedEntry => {
      return { scope, collection: name, record, version: row.version, state: 'present', bytes: rowBytes(row) }
    }),
  )
}

/** The records know how many conflicts are open about them. */
async function countMore(tx: StoreTransaction, conflicts: readonly ServerRecord[]): Promise<void> {
  const byCollection = Map.groupBy(conflicts, ({ values }) => String(values.fields.collection))
  for (const [name, open] of byCollection) {
    const more = Map.groupBy(open, ({ values }) => String(values.fields.record))
    const records = await tx.load(name, [...more.keys()].sort())
    await tx.write(
      name,
      new Map(
        [...records].map(([id, record]) => [
          id,
          withOpenCount(record, openCountOf(record) + (more.get(id)?.length ?? 0)),
        ]),
      ),
    )
  }
}

export const questionCollections: readonly SystemCollection[] = [conflictsCollection, decisionsCollection]
