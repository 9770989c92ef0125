import type { QueryBuilder } from '@holdfast/client'
import type { DeviceTables, Schema } from '@holdfast/core'
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'

/** Names a query by what it compiles to: the builder is a new function at each render. */
export type QueryKey<S extends Schema> = (build: QueryBuilder<S, unknown>) => string

export function createQueryKey<S extends Schema>(): QueryKey<S> {
  const kysely = new Kysely<DeviceTables<S>>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(), // It only compiles; the worker runs.
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
  return (build) => {
    const { sql, parameters } = build(kysely).compile()
    return `${sql} ${JSON.stringify(parameters)}`
  }
}
