/**
 * What the migrations of a schema mean for tables that stand at an earlier version, on the server and on a device: which columns get another
 * name, and which are read and become others.
 */
import type { Json } from '../json.ts'
import type { Field } from './field.ts'
import {
  currentNames,
  type FieldMove,
  formerFields,
  lastMoved,
  type MigratedSchema,
  movesBetween,
  upFields,
} from './migration.ts'

/** Of a database: the version of the schema that its tables have, and the last one whose migrations changed them. */
export interface TablesVersion {
  readonly version: number
  readonly moved: number
}

/** The key under which it stands in `_meta`, on either side. */
export const tablesKey = 'schema'

export function parseTablesVersion(text: string | null): TablesVersion {
  // Of before versions were noted: its columns tell what is to be done.
  if (text === null) return { version: 0, moved: 0 }
  const [version, moved] = text.split(' ').map(Number)
  return { version: version ?? 0, moved: moved ?? 0 }
}

/** What is noted when the tables are as this schema has them; null: it is noted already. What an older version adds leaves it as it is. */
export function notedVersion(schema: MigratedSchema, before: TablesVersion): string | null {
  const version = Math.max(before.version, schema.version)
  const moved = Math.max(before.moved, lastMoved(schema, schema.version))
  return version === before.version && moved === before.moved ? null : `${version} ${moved}`
}

/** Whether a newer version has taken away what this one reads and writes. */
export function isOutdated(schema: MigratedSchema, { moved }: TablesVersion): boolean {
  return moved > schema.version
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
  schema: MigratedSchema,
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
  schema: MigratedSchema,
  from: number,
  { collection, sources, targets }: TableMoves,
  values: readonly Json[],
): readonly Json[] {
  const fields = Object.fromEntries(sources.map(({ name }, index) => [name, values[index] ?? null]))
  const lifted = upFields(schema, collection, from, fields)
  return targets.map(({ name }) => lifted[name] ?? null)
}
