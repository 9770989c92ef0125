/**
 * A snapshot: the first pages of a pull, made once for all devices that hold the same scopes. The server offers it in place of a page;
 * its parts are taken one by one with `GET /snapshot/<id>/<n>`, from 0. A part is a page with the cursor after it, so a device that
 * cannot get the next one pulls on from there.
 *
 *   { "cursor": "…", "changes": [ { "collection": "leads", "columns": ["id", …], "values": [ ["…", …], … ], "gone": [ … ] } ] }
 *
 * Values stand column by column, which is a sixth smaller than rows when it is compressed.
 */
import type { Json } from '../json.ts'
import { cursorLengthMax } from './limits.ts'
import { malformed, parseArray, parseObject, parseText } from './parser.ts'
import { type ChangesText, type CollectionChanges, goneMembers, parseChanges } from './sync-reply.ts'

export interface SnapshotPart {
  /** The place after this part. */
  readonly cursor: string
  readonly changes: readonly CollectionChanges[]
}

export function parseSnapshotPart(input: unknown): SnapshotPart {
  const o = parseObject(input, 'part')
  return {
    cursor: parseText(o.cursor, 'part.cursor', cursorLengthMax),
    changes: parseArray(o.changes, 'part.changes').map(parseColumns),
  }
}

function parseColumns(input: unknown): CollectionChanges {
  const { values, ...rest } = parseObject(input, 'part.changes')
  const columns = parseArray(values, 'part.values').map((column) => parseArray(column, 'part.values'))
  const [first = []] = columns
  if (columns.some(({ length }) => length !== first.length)) malformed('part.values', 'columns of equal length')
  // Each value is what JSON holds: it came out of JSON.
  const rows = first.map((_, row) => columns.map((column) => column[row] as Json))
  return parseChanges({ ...rest, rows })
}

/** The text of a part; `changes` have column by column what a page has row by row: `rows` is the text of `values`. */
export function snapshotPartText(cursor: string, changes: readonly ChangesText[]): string {
  return `{"cursor":${JSON.stringify(cursor)},"changes":[${changes.map(columnsText).join(',')}]}`
}

function columnsText({ collection, columns, rows, gone }: ChangesText): string {
  return `{"collection":${JSON.stringify(collection)},"columns":${JSON.stringify(columns)},"values":${rows}${goneMembers(gone)}}`
}
