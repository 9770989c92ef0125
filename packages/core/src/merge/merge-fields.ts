/**
 * Field-level merge by version: edits of different fields all stand; two edits of one field that did not know of each other
 * are settled by last-write-wins.
 *
 * MF1  A field that nobody else wrote since the writer's base takes the incoming value.
 * MF2  A device never conflicts with itself: a field whose last writer is the same device takes the incoming value.
 * MF3  Equal values, or a current value equal to what the writer saw, are no clash, whatever the versions say.
 * MF4  A clash is settled by stamp; the loser is named in `dropped`.
 */
import { type Json, type JsonObject, sameJson } from '../json.ts'
import type { MergeStrategy } from '../schema/collection.ts'
import { lastWriteWins } from './last-write-wins.ts'

/** Who wrote a field last: the record's version with that write, and the write's stamp. */
export interface FieldStamp {
  readonly version: number
  readonly device: string
  readonly user: string
  readonly stamp: string
}

export interface FieldEdit {
  readonly fields: JsonObject
  readonly was: JsonObject
  /** The record's version that the writer had seen; null when it belongs to another generation: then everything is concurrent. */
  readonly baseVersion: number | null
  readonly device: string
  readonly stamp: string
}

export interface FieldMerge {
  /** The fields to write. */
  readonly taken: JsonObject
  /** Fields of the edit whose value did not stand. */
  readonly dropped: readonly string[]
  /** Whether a concurrent edit was met at all. */
  readonly clashed: boolean
}

export function mergeFields(
  strategy: MergeStrategy,
  current: { readonly fields: JsonObject; readonly stampOf: (field: string) => FieldStamp },
  edit: FieldEdit,
): FieldMerge {
  const taken: Record<string, Json> = {}
  const dropped: string[] = []
  let clashed = false
  for (const [name, value] of Object.entries(edit.fields)) {
    const stamp = current.stampOf(name)
    if (!isClash(strategy, current.fields[name], stamp, edit, name)) {
      taken[name] = value
      continue
    }
    clashed = true
    if (lastWriteWins(stamp, edit) === 'incoming') taken[name] = value
    else dropped.push(name)
  }
  return { taken, dropped, clashed }
}

function isClash(
  strategy: MergeStrategy,
  current: Json | undefined,
  stamp: FieldStamp,
  edit: FieldEdit,
  name: string,
): boolean {
  if (sameJson(current, edit.fields[name])) return false
  switch (strategy) {
    case 'lww':
      return stamp.device !== edit.device && stamp.stamp > edit.stamp
    case 'fields': {
      const known = edit.baseVersion !== null && stamp.version <= edit.baseVersion
      return !known && stamp.device !== edit.device && !sameJson(current, edit.was[name])
    }
  }
}
