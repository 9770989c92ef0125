/**
 * What a device of another version of the schema is answered: rows, conflicts and decisions in the form of its version, and fields by the
 * names that it knows. An app newer than the server brings up what it gets by itself.
 */
import {
  type ChangesText,
  changesDown,
  currentNames,
  isObject,
  type MigrationFault,
  movesBetween,
  nameBefore,
  type Schema,
} from '@holdfast/core'

export interface DeviceForm {
  changes(changes: readonly ChangesText[]): readonly ChangesText[]
  /** The text of an outcome, of an operation on this collection. Given again it is the same text, as long as the device is of the same version. */
  outcome(collection: string, text: string): string
}

/** @param version of the app's schema. @param fault told of values that could not be brought down; they are sent as null. */
export function deviceForm(schema: Schema, version: number, fault: (fault: MigrationFault) => void): DeviceForm {
  if (Object.keys(schema.migrations).length === 0) return unchanged
  return {
    changes: (changes) => changesDown(schema, version, changes, fault),
    outcome: (collection, text) => {
      // Most name no field.
      if (text.includes('"kind":"applied"')) return text
      const moves = movesBetween(schema, collection, version, schema.version)
      // It may have been given under a version before the server's.
      const name = (field: unknown): unknown =>
        typeof field === 'string' ? nameBefore(moves, currentNames(schema, collection, field)[0] ?? field) : field
      const outcome: unknown = JSON.parse(text)
      if (!isObject(outcome)) return text
      const named = Object.entries(outcome).map(([member, value]) => {
        if (member === 'field') return [member, name(value)]
        const isList = (member === 'fields' || member === 'dropped') && Array.isArray(value)
        return [member, isList ? [...new Set(value.map(name))] : value]
      })
      return JSON.stringify(Object.fromEntries(named))
    },
  }
}

const unchanged: DeviceForm = { changes: (changes) => changes, outcome: (_, text) => text }
