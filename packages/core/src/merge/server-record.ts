import type { Json } from '../json.ts'
import type { FieldStamp } from './field-stamp.ts'
import type { RecordValues } from './fold.ts'
import type { VersionVector } from './version-vector.ts'

/**
 * A record as the server holds it. `version` counts its changes, deletion included, and never goes back. `stamps` says who wrote
 * each field last; the entry '' stands for every field that has none of its own.
 */
export interface ServerRecord {
  readonly version: number
  readonly state: 'live' | 'deleted'
  /** Of a deleted record: its last values, for a restore. */
  readonly values: RecordValues
  readonly stamps: { readonly [field: string]: FieldStamp }
  /**
   * What merging needs beside the values: the marks of a set, the document of a shared text, under '' the version vector, and how many
   * conflicts are open about the record (see `openCountOf`). Empty for most.
   */
  readonly states: { readonly [field: string]: Json }
}

export function stampOfField(record: ServerRecord, field: string): FieldStamp {
  const stamp = record.stamps[field] ?? record.stamps['']
  if (stamp === undefined) throw new Error('A record has a stamp for all of its fields.')
  return stamp
}

export function vectorOf(record: ServerRecord): VersionVector {
  const known = record.states['']
  if (known !== undefined) return known as VersionVector
  // Of a record that was written before its collection was merged by causality: what its stamps tell.
  const versions: Record<string, number> = {}
  for (const { device, version } of Object.values(record.stamps)) {
    versions[device] = Math.max(version, versions[device] ?? 0)
  }
  return versions
}

/** The entry of `states` that counts open conflicts: no field has this name. */
const openMark = '?'

/** How many conflicts are open about the record, whatever its collection asks by now: nobody else needs to be looked at for them. */
export function openCountOf({ states }: ServerRecord): number {
  return Number(states[openMark] ?? 0)
}

export function withOpenCount(record: ServerRecord, count: number): ServerRecord {
  if (openCountOf(record) === count) return record
  const { [openMark]: _, ...states } = record.states
  return { ...record, states: count === 0 ? states : { ...states, [openMark]: count } }
}
