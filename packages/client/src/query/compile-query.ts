/**
 * From a builder to what the engine runs. Kysely builds, types and compiles here in the tab; it never executes: its driver is a
 * dummy, and only the text, the parameters, the tables and the kinds of the columns leave this file.
 */
import { type Schema, UsageError } from '@holdfast/core'
import {
  type Compilable,
  type CompiledQuery,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { SqliteValue } from '../ports/sqlite-driver.ts'
import type { StoreQuery } from '../store/store.ts'
import { type ColumnKinds, columnKinds, tablesRead } from './query-plan.ts'

export interface PlannedQuery extends StoreQuery {
  readonly kinds: ColumnKinds
}

export interface QueryCompiler<Database> {
  compile(build: (q: Kysely<Database>) => Compilable<unknown>): PlannedQuery
}

/** Texts whose plan is kept; an app has some dozens. */
const plansMax = 500

export function createQueryCompiler<Database>(schema: Schema): QueryCompiler<Database> {
  const builder = new Kysely<Database>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
  const plans = new Map<string, Pick<PlannedQuery, 'tables' | 'kinds'>>()

  function planOf({ sql, query }: CompiledQuery): Pick<PlannedQuery, 'tables' | 'kinds'> {
    const known = plans.get(sql)
    if (known !== undefined) return known
    if (query.kind !== 'SelectQueryNode' && query.kind !== 'RawNode') {
      throw new UsageError(
        'A query only reads. Write by db.<collection>.create, update, increment, delete or restore, or by db.write(tx => …).',
      )
    }
    const plan = { tables: tablesRead(schema, query), kinds: columnKinds(schema, query) }
    if (plans.size >= plansMax) plans.clear()
    plans.set(sql, plan)
    return plan
  }

  return {
    compile(build) {
      const compiled = build(builder).compile()
      return { sql: compiled.sql, parameters: compiled.parameters.map(toSqlite), ...planOf(compiled) }
    },
  }
}

function toSqlite(value: unknown): SqliteValue {
  switch (typeof value) {
    case 'boolean':
      return value ? 1 : 0
    case 'number':
    case 'string':
      return value
    case 'object':
      if (value === null) return null
  }
  throw new UsageError(
    `A query was given a value of type ${typeof value}; it may be null, a boolean, a number or a text (a moment: its milliseconds).`,
  )
}
