/** What the page asks of the bare worker: one call at a time, so that an answer needs no number. */
import type { Value } from '../raw/device-rows.ts'

export type RawRequest =
  | { readonly kind: 'open'; readonly directory: string }
  /** Loads all rows from a URL by the row path: fetch, json_each, indexes, search, in one transaction. */
  | { readonly kind: 'load'; readonly rowsUrl: string }
  /** Brings a ready database file in: fetch, write, flush, open. Instead of `open`. */
  | { readonly kind: 'import'; readonly directory: string; readonly fileUrl: string }
  | { readonly kind: 'write'; readonly write: RawWrite }
  /** One row of one column. */
  | { readonly kind: 'text'; readonly sql: string; readonly parameters: readonly Value[] }
  | { readonly kind: 'close' }

export interface RawWrite {
  readonly seq: number
  readonly id: string
  readonly lead: string
  readonly stage: string
  readonly atMs: number
  readonly operation: string
}

export type RawAnswer =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'failed'; readonly problem: string }
