/**
 * Operations of earlier versions of the schema in its present form: what rules, references, scopes and the judge see. Their texts stay as
 * they came, and the hash is over them, so that one whose answer was lost before a migration is known after it.
 */
import { type Schema, upOperation } from '@holdfast/core'
import type { Unit } from './units.ts'

/** Throws MigrationFault when a migration of the app cannot take a value. */
export function upUnit(schema: Schema, unit: Unit): Unit {
  return unit.map(({ operation, text }) => ({ operation: upOperation(schema, operation), text }))
}
