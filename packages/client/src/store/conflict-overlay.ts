/**
 * The confirmed row with this device's sides of its open conflicts laid over it: until a person has settled them, everybody sees the
 * server's value, and the device whose value it was goes on seeing its own.
 */
import { type Conflict, type RecordValues, wholeSide } from '@holdfast/core'

/** @param row null: the server has no such record on this device. */
export function overlay(row: RecordValues | null, conflicts: readonly Conflict[]): RecordValues | null {
  return conflicts.reduce(overlaid, row)
}

function overlaid(row: RecordValues | null, { field, local, localBy }: Conflict): RecordValues | null {
  const at = Math.max(0, localBy.correctedAt)
  if (field !== '')
    return row && { ...row, updatedAt: Math.max(row.updatedAt, at), fields: { ...row.fields, [field]: local } }
  const side = wholeSide(local)
  if (side === null) return null
  if (row === null) return { createdAt: at, updatedAt: at, fields: side }
  return { ...row, updatedAt: Math.max(row.updatedAt, at), fields: { ...row.fields, ...side } }
}
