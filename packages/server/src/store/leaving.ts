/**
 * What leaves a device with a scope that its user does not hold any more, as a phase of its own before a page of what is held: pages of
 * marks alone, until nothing is left to tell. Each store finds the entries its own way.
 */
import { type ChangesText, type GoneRecord, type Schema, wireColumns } from '@holdfast/core'
import type { Page, PageRequest, ScopePosition } from '../ports/server-store.ts'

/** The next entries of scopes that are leaving. */
export interface LeavingStep {
  /** Without what another scope of the request holds, or tells as deleted. */
  readonly marks: readonly LeavingMark[]
  /** Entries that were gone through, marks and others. */
  readonly taken: number
  readonly rest: readonly ScopePosition[]
  readonly horizon: number
  /** Entries from here on. */
  readonly remaining: number
}

export interface LeavingMark {
  readonly collection: string
  readonly record: string
  readonly version: number
}

/** Null: nothing leaves now, and the page is one of what is held. `rest` of what cannot be told yet goes into that page. */
export function leavingPage(schema: Schema, request: PageRequest, step: LeavingStep): Page | null {
  if (step.taken === 0) return null
  return {
    changes: changesOf(schema, step.marks),
    positions: request.positions,
    leaving: step.rest,
    seen: request.seen,
    more: true,
    through: step.horizon,
    remaining: step.remaining,
  }
}

function changesOf(schema: Schema, marks: readonly LeavingMark[]): readonly ChangesText[] {
  const byCollection = Map.groupBy(marks, ({ collection }) => collection)
  return [...byCollection].flatMap(([name, left]) => {
    const collection = schema.collections[name]
    if (collection === undefined) return [] // One that this release does not have any more.
    return [{ collection: name, columns: wireColumns(collection), rows: '[]', gone: goneOf(left) }]
  })
}

/** One mark a record, the newest: it may be in several scopes that leave. */
function goneOf(marks: readonly LeavingMark[]): readonly GoneRecord[] {
  const newest = new Map<string, GoneRecord>()
  for (const { record, version } of marks) {
    if (version > (newest.get(record)?.version ?? -1)) newest.set(record, { record, version, why: 'left' })
  }
  return [...newest.values()]
}
