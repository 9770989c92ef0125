/**
 * A release may declare the scopes of a collection in another way. Then every record of it, and every one below, is put where it belongs
 * when the database is opened, before anything is served: devices are told as of any move.
 *
 * RS1  In an open database every live record, and what is about it, stands in the scopes that the schema says, and in no others. What a
 *      release does not change is not looked at. Deleted records stay where they were.
 */
import {
  collectionOf,
  conflictsCollection,
  decisionsCollection,
  isSystemCollection,
  parseJson,
  type RecordId,
  type Schema,
  type ServerRecord,
} from '@holdfast/core'
import type { Scope, StoreTransaction } from '../ports/server-store.ts'
import type { Descendant } from '../push/descendants.ts'
import { recordKey } from '../push/draft.ts'
import { rowBytes } from '../push/row-bytes.ts'
import { descendantEntries, travellers } from '../push/system-changes.ts'
import { descentOf } from '../scope/descent.ts'
import { parentIn } from '../scope/locator.ts'
import { scopeAll, scopesOfValues } from '../scope/scopes.ts'

/** The key of `_meta` under which a database notes how scopes were declared when it was opened last. */
export const scopesKey = 'scopes'

export function scopesNote({ collections }: Schema): string {
  const own = Object.entries(collections).filter(([name]) => !isSystemCollection(name))
  return JSON.stringify(Object.fromEntries(own.map(([name, { scope }]) => [name, JSON.stringify(scope)])))
}

/** The collections whose records may lie elsewhere than the database has them, parents before their children. */
export function rescopedCollections(schema: Schema, note: string | null): readonly string[] {
  const before = (note === null ? {} : parseJson(note, 'The note of scopes')) as { readonly [name: string]: string }
  const { childrenFirst } = descentOf(schema)
  const found = new Set<string>()
  for (const name of [...childrenFirst].reverse()) {
    if (isSystemCollection(name)) continue
    const { scope } = collectionOf(schema, name)
    const isBelow = scope.kind === 'via' && found.has(scope.parent)
    if (isBelow || before[name] !== JSON.stringify(scope)) found.add(name)
  }
  return [...found]
}

/** Records that are put in their place at a time. */
export const rescopeRowsMax = 5_000

export async function rescope(
  tx: StoreTransaction,
  schema: Schema,
  name: string,
  ids: readonly RecordId[],
): Promise<void> {
  if (ids.length === 0) return
  const records = await tx.load(name, ids)
  const located = await tx.locate(new Map([[name, ids]]))
  const holdsOf = ({ values }: ServerRecord): readonly Scope[] => {
    const collection = collectionOf(schema, name)
    if (collection.scope.kind === 'own') return scopesOfValues(collection, values)
    const parent = parentIn(collection, values)
    const scopes = parent === null ? undefined : located.get(collection.scope.parent)?.get(parent)?.scopes
    return scopes === undefined || scopes.length === 0 ? [scopeAll] : scopes
  }
  const moved = [...records].flatMap(([id, record]): Descendant[] => {
    if (record.state === 'deleted') return []
    const held = located.get(name)?.get(id)?.scopes ?? []
    const holds = holdsOf(record)
    if (held.length === holds.length && held.every((scope) => holds.includes(scope))) return []
    return [{ collection: name, record: id, version: record.version, bytes: rowBytes(record), held, holds }]
  })
  if (moved.length === 0) return
  const decisions = await tx.about(decisionsCollection, travellers(schema, moved))
  const conflicts = await tx.about(
    conflictsCollection,
    moved.map(({ collection, record }) => recordKey(collection, record)),
  )
  await tx.feed(descendantEntries(schema, moved, { conflicts, decisions }))
}
