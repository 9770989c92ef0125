/** A device as the contract suite needs it: pulls page after page, keeps the newer version of each record, forgets what is gone. */
import { type Json, pageBytesMax, parseJson, type RecordId } from '@holdfast/core'
import { expect } from 'vitest'
import type { Page, Scope, ScopePosition, ServerStore } from '../ports/server-store.ts'

export interface Held {
  readonly version: number
  /** The row's values behind `updatedAt`; null: the record is gone. */
  readonly row: readonly Json[] | null
}

export interface Replica {
  /** Everything that it was ever told of. */
  readonly held: ReadonlyMap<RecordId, Held>
  /** Ids of the records that it has now, sorted. */
  present(): readonly RecordId[]
  /** Adds a scope: from its beginning. */
  join(scope: Scope): void
  /** A scope is taken away, as a cursor tells it: one that is given back while it leaves begins anew. */
  lose(scope: Scope): void
  /** Pulls pages of so many rows, or of so many bytes, until there are no more; answers them. `between` runs after each page but the last. */
  pull(
    store: ServerStore,
    max: number | { readonly bytes: number },
    between?: () => Promise<void>,
  ): Promise<readonly Page[]>
}

export function createReplica(scopes: readonly Scope[]): Replica {
  const held = new Map<RecordId, Held>()
  let positions: readonly ScopePosition[] = scopes.map(beginning)
  let leaving: readonly ScopePosition[] = []
  let seen: string | null = null
  const tell = (id: RecordId, told: Held) => {
    if (told.version >= (held.get(id)?.version ?? 0)) held.set(id, told)
  }
  const take = (page: Page) => {
    for (const changes of page.changes) {
      for (const [id, version, , , ...row] of rowsOf(changes.rows)) {
        tell(String(id), { version: Number(version), row })
      }
      for (const { record, version } of changes.gone) tell(record, { version, row: null })
    }
    expect(page.positions.map(({ scope }) => scope)).toEqual(positions.map(({ scope }) => scope))
    positions = page.positions
    leaving = page.leaving
    seen = page.seen
  }
  return {
    held,
    present: () => [...held].flatMap(([id, { row }]) => (row === null ? [] : [id])).sort(),
    join: (scope) => {
      positions = [...positions, beginning(scope)]
      leaving = leaving.filter((one) => one.scope !== scope)
      seen = null
    },
    lose: (scope) => {
      positions = positions.filter((one) => one.scope !== scope)
      leaving = [...leaving, beginning(scope)]
    },
    pull: async (store, max, between) => {
      const bounds =
        typeof max === 'number' ? { rowsMax: max, bytesMax: pageBytesMax } : { rowsMax: 10_000, bytesMax: max.bytes }
      const pages: Page[] = []
      for (;;) {
        const page = await store.readPage({ positions, leaving, seen, ...bounds })
        take(page)
        pages.push(page)
        if (!page.more) return pages
        await between?.()
      }
    },
  }
}

export function beginning(scope: Scope): ScopePosition {
  return { scope, place: 0, seq: 0 }
}

/** Each row of a page starts with id, version, createdAt, updatedAt. */
export function rowsOf(text: string): readonly (readonly Json[])[] {
  return parseJson(text, 'rows') as readonly (readonly Json[])[]
}

/** How many rows and marks a page holds. */
export function sizeOf(page: Page): number {
  return page.changes.reduce((sum, { rows, gone }) => sum + rowsOf(rows).length + gone.length, 0)
}
