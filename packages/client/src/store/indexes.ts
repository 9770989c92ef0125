/**
 * Indexes of the collections' tables. A first sync of several pages goes into tables without them and makes them with its last
 * page: building once is cheaper than keeping in step. Search entries are made with the rows, so that search always works.
 */
import { deviceTables, type Schema, searchTable } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { StoreContext } from './context.ts'

interface Index {
  readonly name: string
  readonly sql: string
}

/** Indexes proper: the tables of search are kept apart. */
export function indexesOf(schema: Schema): readonly Index[] {
  return deviceTables(schema).indexes.filter(({ name }) => !isSearch(schema, name))
}

export function searchTablesOf(schema: Schema): readonly Index[] {
  return deviceTables(schema).indexes.filter(({ name }) => isSearch(schema, name))
}

export function makeIndexes({ driver, schema }: Pick<StoreContext, 'driver' | 'schema'>): void {
  for (const { sql } of indexesOf(schema)) driver.exec(sql)
}

export function dropIndexes({ driver, schema }: Pick<StoreContext, 'driver' | 'schema'>): void {
  for (const { name } of indexesOf(schema)) driver.exec(`drop index if exists "${name}"`)
}

/** Indexes of collections' tables that the schema does not have any more. */
export function dropOtherIndexes(driver: SqliteDriver, schema: Schema): void {
  const wanted = new Set(indexesOf(schema).map(({ name }) => name))
  for (const [name, table] of driver.all(selectIndexes)) {
    const isOurs = Object.hasOwn(schema.collections, String(table))
    if (isOurs && !wanted.has(String(name))) driver.exec(`drop index "${name}"`)
  }
}

function isSearch(schema: Schema, name: string): boolean {
  return Object.keys(schema.collections).some((collection) => searchTable(collection) === name)
}

const selectIndexes = `select name, tbl_name from sqlite_master where type = 'index' and sql is not null`
