/**
 * What migrations mean for what stands beside each record of the server, and the laws of moving its tables. Each store does it in its own
 * SQL, inside the transaction that opens the database, in batches, so that what is in memory is bounded.
 *
 * FM1  All or nothing: a server that is killed meanwhile leaves the tables as they were.
 * FM2  Versions do not change and the feed does not move: devices do the same to what they hold.
 * FM3  A server that is older than the migrations of a database does not touch it.
 */
import {
  isOutdated,
  type JsonObject,
  type RecordValues,
  renamedMembers,
  type Schema,
  type TableMoves,
  type TablesVersion,
  UsageError,
  upFields,
} from '@holdfast/core'

export function refuseOutdated(schema: Schema, found: TablesVersion): void {
  if (!isOutdated(schema, found)) return
  throw new UsageError(
    `The database was migrated to version ${found.moved} of the schema, and this server has version ${schema.version}. Start the newer one; nothing was changed.`,
  )
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
