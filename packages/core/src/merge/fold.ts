/** What a device shows: the confirmed row with the unsettled operations folded over it, in local order. The device does not predict merges. */

import type { Json } from '../json.ts'
import type { Operation } from '../protocol/operation.ts'

/** A record's values: fields by name, with createdAt and updatedAt; the id is known where it is used. */
export interface RecordValues {
  readonly createdAt: number
  readonly updatedAt: number
  readonly fields: { readonly [name: string]: Json }
}

/**
 * One operation over a row (null: no such record), at the time by which the device dates it. As on the server, an edit that
 * was made earlier does not turn `updatedAt` back.
 */
export function fold(
  row: RecordValues | null,
  operation: Pick<Operation, 'kind' | 'fields'>,
  atMs: number,
): RecordValues | null {
  switch (operation.kind) {
    case 'create':
      return row ?? { createdAt: atMs, updatedAt: atMs, fields: operation.fields }
    case 'restore':
      return (
        row ??
        (Object.keys(operation.fields).length === 0
          ? null
          : { createdAt: atMs, updatedAt: atMs, fields: operation.fields })
      )
    case 'delete':
      return null
    case 'update':
      return (
        row && {
          createdAt: row.createdAt,
          updatedAt: Math.max(row.updatedAt, atMs),
          fields: { ...row.fields, ...operation.fields },
        }
      )
    case 'increment':
      return (
        row && {
          createdAt: row.createdAt,
          updatedAt: Math.max(row.updatedAt, atMs),
          fields: { ...row.fields, ...incremented(row.fields, operation.fields) },
        }
      )
  }
}

/** Counters with what an operation adds. */
export function incremented(
  fields: { readonly [name: string]: Json },
  added: { readonly [name: string]: Json },
): { readonly [name: string]: Json } {
  return Object.fromEntries(Object.entries(added).map(([name, by]) => [name, Number(fields[name] ?? 0) + Number(by)]))
}
