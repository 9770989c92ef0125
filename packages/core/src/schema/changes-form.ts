/**
 * Pages between versions of the schema: the server brings them down for a device of an earlier version, a device brings those of an older
 * server up. Versions, times and ids stay.
 */
import type { Json, JsonObject } from '../json.ts'
import type { ChangesText, CollectionChanges } from '../protocol/sync-reply.ts'
import {
  type FieldMove,
  isSameForm,
  type MigratedSchema,
  movesBetween,
  type OnFault,
  questionDown,
  questionsUp,
  type Rows,
  rowsDown,
  rowsUp,
} from './migration.ts'
import { isSystemCollection } from './system-collections.ts'

/** In the form of an earlier version of the schema. `fault`: told of values that could not be brought down. */
export function changesDown(
  schema: MigratedSchema,
  version: number,
  changes: readonly ChangesText[],
  fault: OnFault,
): readonly ChangesText[] {
  if (version >= schema.version || isSameForm(schema, version, schema.version)) return changes
  return changes.map((one) => {
    const { collection, columns } = one
    if (isSystemCollection(collection)) {
      const moves = movesOfRows(schema, version, columns)
      const rows = parsedRows(one.rows).flatMap((row) => {
        const fields = questionDown(moves(row), membersOf(columns, row), fault)
        return fields === null ? [] : [rowOf(columns, fields)]
      })
      return { ...one, rows: JSON.stringify(rows) }
    }
    const moves = movesBetween(schema, collection, version, schema.version)
    if (moves.length === 0) return one
    const { columns: next, row } = rowsDown(moves, columns, fault)
    return { ...one, columns: next, rows: row === null ? one.rows : JSON.stringify(parsedRows(one.rows).map(row)) }
  })
}

/** In the form of the schema, from that of an earlier version. Throws MigrationFault. */
export function changesUp(
  schema: MigratedSchema,
  version: number,
  changes: readonly CollectionChanges[],
): readonly CollectionChanges[] {
  if (version >= schema.version || isSameForm(schema, version, schema.version)) return changes
  return changes.map((one) => {
    if (isSystemCollection(one.collection)) return { ...one, rows: questionRowsUp(schema, version, one) }
    const moves = movesBetween(schema, one.collection, version, schema.version)
    return moves.length === 0 ? one : { ...one, ...rowsUp(moves, one) }
  })
}

/** Conflicts or decisions as rows; those that a split made more have ids that each device and the server make alike. */
function questionRowsUp(schema: MigratedSchema, version: number, { columns, rows }: Rows): Rows['rows'] {
  const moves = movesOfRows(schema, version, columns)
  return rows.flatMap((row) => {
    const id = String(row[0])
    return questionsUp(moves(row), membersOf(columns, row)).map((fields, index) =>
      rowOf(columns, { ...fields, id: partId(id, index) }),
    )
  })
}

/** The id of a conflict or a decision that was one and is several since a field was split. */
export function partId(id: string, index: number): string {
  return index === 0 ? id : `${id}.${index}`
}

/** What leads from that version to now, by the collection that a row of the engine is about. */
function movesOfRows(schema: MigratedSchema, version: number, columns: readonly string[]) {
  const place = columns.indexOf('collection')
  const known = new Map<string, readonly FieldMove[]>()
  return (row: readonly Json[]): readonly FieldMove[] => {
    const name = String(row[place])
    const moves = known.get(name) ?? movesBetween(schema, name, version, schema.version)
    known.set(name, moves)
    return moves
  }
}

function parsedRows(text: string): readonly (readonly Json[])[] {
  return JSON.parse(text)
}

function membersOf(columns: readonly string[], row: readonly Json[]): JsonObject {
  return Object.fromEntries(columns.map((name, index) => [name, row[index] ?? null]))
}

function rowOf(columns: readonly string[], members: JsonObject): readonly Json[] {
  return columns.map((name) => members[name] ?? null)
}
