/**
 * What the migrations of a schema mean for tables that stand at an earlier version: which columns get another name, which are read and
 * become others, and what stands beside each record. Pure; each store does it in its own SQL, inside the transaction that opens the
 * database, in batches, so that what is in memory is bounded.
 *
 * FM1  All or nothing: a server that is killed meanwhile leaves the tables as they were.
 * FM2  Versions do not change and the feed does not move: devices do the same to what they hold.
 * FM3  A server that is older than the migrations of a database does not touch it.
 */
import {
  currentNames,
  type Field,
  type FieldMove,
  formerFields,
  type Json,
  type JsonObject,
  lastMoved,
  movesBetween,
  type RecordValues,
  renamedMembers,
  type Schema,
  UsageError,
  upFields,
} from '@holdfast/core'

/** Of a database: the version of the schema that its tables have, and the last one whose migrations changed them. */
export interface TablesVersion {
  readonly version: number
  readonly moved: number
}

/** The key of `_meta` under which it stands. */
export const tablesKey = 'schema'

export function parseTablesVersion(text: string | null): TablesVersion {
  // Of before versions were noted: its columns tell what is to be done.
  if (text === null) return { version: 0, moved: 0 }
  const [version, moved] = text.split(' ').map(Number)
  return { version: version ?? 0, moved: moved ?? 0 }
}

/** What is noted when the tables are as this schema has them; null: it is noted already. An older server's additions leave it as it is. */
export function notedVersion(schema: Schema, before: TablesVersion): string | null {
  const version = Math.max(before.version, schema.version)
  const moved = Math.max(before.moved, lastMoved(schema, schema.version))
  return version === before.version && moved === before.moved ? null : `${version} ${moved}`
}

/** Whether a newer server has taken away what this one reads and writes [FM3]. */
export function isOutdated(schema: Schema, { moved }: TablesVersion): boolean {
  return moved > schema.version
}

export function refuseOutdated(schema: Schema, found: TablesVersion): void {
  if (!isOutdated(schema, found)) return
  throw new UsageError(
    `The database was migrated to version ${found.moved} of the schema, and this server has version ${schema.version}. Start the newer one; nothing was changed.`,
  )
}

/** What is to be done with the tables of one collection. */
export interface TableMoves {
  readonly collection: string
  readonly moves: readonly FieldMove[]
  readonly renames: readonly { readonly from: string; readonly to: string }[]
  /** Columns that are read, made into `targets`, and dropped. */
  readonly sources: readonly { readonly name: string; readonly field: Field }[]
  readonly targets: readonly { readonly name: string; readonly field: Field }[]
}

/**
 * @param from the version of the tables. @param columnsOf those of a collection's table; undefined: there is none. A column that is not
 * there was never made: what it would become is added like any new field.
 */
export function tableMoves(
  schema: Schema,
  from: number,
  columnsOf: (collection: string) => { has(column: string): boolean } | undefined,
): readonly TableMoves[] {
  return Object.keys(schema.collections).flatMap((collection): TableMoves[] => {
    const moves = movesBetween(schema, collection, from, schema.version)
    const columns = columnsOf(collection)
    if (moves.length === 0 || columns === undefined) return []
    const former = [...formerFields(schema, collection)].filter(
      ([name]) => columns.has(name) && moves.some((move) => move.from === name),
    )
    const isRename = (name: string) => renameOnly(moves, name)
    const sources = former.filter(([name]) => !isRename(name)).map(([name, field]) => ({ name, field }))
    const targets = sources.flatMap(({ name }) =>
      currentNames(schema, collection, name).flatMap((target) => {
        const field = schema.collections[collection]?.fields[target]
        return field === undefined ? [] : [{ name: target, field }]
      }),
    )
    const renames = former.flatMap(([name]) => {
      const [to] = currentNames(schema, collection, name)
      return isRename(name) && to !== undefined ? [{ from: name, to }] : []
    })
    return [{ collection, moves, renames, sources, targets }]
  })
}

function renameOnly(moves: readonly FieldMove[], name: string): boolean {
  let now = name
  for (const { from, to, was } of moves) {
    if (from !== now) continue
    if (was !== null) return false
    now = to[0] ?? now
  }
  return true
}

/** The fields of a row whose columns are `sources`, as the columns of `targets`. Throws MigrationFault. */
export function movedRow(
  schema: Schema,
  from: number,
  { collection, sources, targets }: TableMoves,
  values: readonly Json[],
): readonly Json[] {
  const fields = Object.fromEntries(sources.map(({ name }, index) => [name, values[index] ?? null]))
  const lifted = upFields(schema, collection, from, fields)
  return targets.map(({ name }) => lifted[name] ?? null)
}

/** What a sidecar holds beside version and state, as it is stored. */
export interface StoredSidecar {
  readonly stamps: JsonObject
  /** Of a deleted record its last values; null while it lives. */
  readonly values: RecordValues | null
  readonly states: JsonObject | null
}

export function movedSidecar(
  schema: Schema,
  from: number,
  { collection, moves }: TableMoves,
  { stamps, values, states }: StoredSidecar,
): StoredSidecar {
  return {
    stamps: renamedMembers(moves, stamps),
    values: values === null ? null : { ...values, fields: upFields(schema, collection, from, values.fields) },
    states: states === null ? null : renamedMembers(moves, states),
  }
}

/** The names that may stand in a sidecar, as a pattern of SQL's `like` finds them in its JSON. */
export function sidecarPatterns({ moves }: TableMoves): readonly string[] {
  return moves.map(({ from }) => `%"${from}"%`)
}

/** Rows that are read, made and written at a time. */
export const moveRowsMax = 5_000
