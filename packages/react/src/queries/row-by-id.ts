import type { RecordId } from '@holdfast/core'
import type { Compilable, Kysely } from 'kysely'

/** As a real select, since the client reads from its nodes which columns hold JSON and booleans. */
export function rowById<Tables, K extends keyof Tables & string>(
  q: Kysely<Tables>,
  collection: K,
  id: RecordId,
): Compilable<Tables[K]> {
  // TypeScript cannot resolve Kysely's types for a table that is a type parameter; every collection has an id.
  const tables = q as unknown as Kysely<{ readonly [name: string]: { readonly id: RecordId } }>
  const name: string = collection
  return tables.selectFrom(name).selectAll().where('id', '=', id) as unknown as Compilable<Tables[K]>
}
