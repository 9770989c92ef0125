/** What a server and a device hold, each read past the code that is tested, in a form in which equal data have equal texts. */
import { createHash } from 'node:crypto'
import { nodeSqlite } from '@holdfast/client/node'
import { type Operation, parseOperation, quoted } from '@holdfast/core'
import { serverSchema } from './lead-schema.ts'
import type { SqlRow, TestDatabase } from './store-kind.ts'

/** Rows by collection and id; values as texts and numbers. */
export type Rows = Readonly<Record<string, Readonly<Record<string, SqlRow>>>>

export interface ServerOperation {
  readonly id: string
  readonly user: string
  /** The text that was answered. */
  readonly outcome: string
}

export interface ServerTruth {
  readonly operations: readonly ServerOperation[]
  readonly rows: Rows
}

const collections = Object.entries(serverSchema.collections)

/** @param owner only this agent's scope and operations; null: all. */
export async function readServer(database: TestDatabase, owner: string | null = null): Promise<ServerTruth> {
  const rows: Record<string, Record<string, SqlRow>> = {}
  for (const [name, { fields }] of collections) {
    const columns = ['id', 'createdAt', 'updatedAt', ...Object.keys(fields)]
    const where = owner === null ? '' : `where owner = '${owner}'`
    const found = await database.read(
      `select ${columns.map((column) => `r.${quoted(column)}`).join(', ')}, s.version as "$version"
       from ${quoted(name)} r join ${quoted(`_sidecar_${name}`)} s on s.id = r.id ${where}`,
    )
    rows[name] = byId(found.map(plain))
  }
  const byUser = owner === null ? '' : `where "user" = '${owner}'`
  const operations = await database.read(`select id, "user", outcome from _operations ${byUser} order by id`)
  return {
    operations: operations.map(({ id, user, outcome }) => ({
      id: String(id),
      user: String(user),
      outcome: String(outcome),
    })),
    rows,
  }
}

export interface DeviceTruth {
  /** Every operation that was ever saved, with the table that has it. */
  readonly operations: readonly { readonly place: string; readonly operation: Operation }[]
  readonly rows: Rows
}

/** Reads the file of a client that is closed or dead. */
export async function readDevice(file: string): Promise<DeviceTruth> {
  const driver = await nodeSqlite(file)()
  try {
    const rows: Record<string, Record<string, SqlRow>> = {}
    for (const [name, { fields }] of collections) {
      const columns = ['id', '$version', 'createdAt', 'updatedAt', ...Object.keys(fields)]
      const found = driver.all(`select ${columns.map(quoted).join(', ')} from ${quoted(name)}`)
      rows[name] = byId(found.map((values) => Object.fromEntries(columns.map((column, i) => [column, values[i]]))))
    }
    const operations = ['_outbox', '_inbox', '_settled'].flatMap((place) =>
      driver
        .all(`select operation from ${place}`)
        .map(([text]) => ({ place, operation: parseOperation(JSON.parse(String(text))) })),
    )
    return { operations, rows }
  } finally {
    driver.close()
  }
}

/** One text for equal data, whatever the order in which they came. */
export function hashOf(rows: Rows): string {
  const hash = createHash('sha256')
  for (const name of Object.keys(rows).sort()) {
    for (const [, row] of Object.entries(rows[name] ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`${name} ${JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))}\n`)
    }
  }
  return hash.digest('hex')
}

function byId(rows: readonly SqlRow[]): Record<string, SqlRow> {
  return Object.fromEntries(rows.map((row) => [String(row.id), row]))
}

/** Postgres answers bigint as text. */
function plain(row: SqlRow): SqlRow {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, numbers.has(column) ? Number(value) : value]),
  )
}

const numbers = new Set([
  '$version',
  'createdAt',
  'updatedAt',
  ...collections.flatMap(([, { fields }]) =>
    Object.entries(fields).flatMap(([name, { rule }]) => (['integer', 'counter'].includes(rule.kind) ? [name] : [])),
  ),
])
