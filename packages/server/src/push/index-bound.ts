/**
 * How long a value may be that an index holds, so that every store takes it: a row of a Postgres index ends at 2,704 bytes, its
 * other columns and the scope's name included. Values of scopes stand in the indexes of the feed.
 */
import { Buffer } from 'node:buffer'
import { type Collection, canonicalJson, type Json, ownScopes } from '@holdfast/core'

/** Bytes as UTF-8 that the texts of one index row have together. */
const indexBytesMax = 2_000

/** The bound that the value passes, in bytes; null when it fits. */
export function passedBound(collection: Collection, name: string, value: Json | undefined): number | null {
  const kind = kindOf(collection, name)
  if (value === undefined || value === null || !isLong(kind)) return null
  const bytes = Buffer.byteLength(kind === 'json' ? canonicalJson(value) : String(value))
  const bytesMax = boundOf(collection, name)
  return bytes > bytesMax ? bytesMax : null
}

/** Texts that share an index share its room, since each is written without a look at the others. */
function boundOf(collection: Collection, name: string): number {
  const bounds = known.get(collection) ?? new Map<string, number>()
  known.set(collection, bounds)
  const bound = bounds.get(name) ?? sharedBound(collection, name)
  bounds.set(name, bound)
  return bound
}

/** Asked for every text that is written, and always the same. */
const known = new WeakMap<Collection, Map<string, number>>()

function sharedBound(collection: Collection, name: string): number {
  const scopes = Object.values(ownScopes(collection)).map((field) => [field])
  const rows = [...collection.indexes, ...scopes].filter((columns) => columns.includes(name))
  const shares = rows.map((columns) => columns.filter((column) => isLong(collection.fields[column]?.rule.kind)).length)
  return Math.floor(indexBytesMax / Math.max(0, ...shares))
}

function kindOf({ fields }: Collection, name: string): string | undefined {
  return fields[name]?.rule.kind
}

function isLong(kind: string | undefined): boolean {
  return kind === 'text' || kind === 'json'
}
