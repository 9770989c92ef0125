/** What a reply says of a snapshot that is ready: see snapshot-part.ts. */
import { malformed, parseObject, parseWhole } from './parser.ts'

declare const snapshotId: unique symbol
/** Names a snapshot in an address; tells nothing of what is in it. */
export type SnapshotId = string & { readonly [snapshotId]: true }

export interface SnapshotOffer {
  readonly id: SnapshotId
  /** From 1. */
  readonly parts: number
  /** Rows of all parts, for progress. */
  readonly rows: number
}

const idPattern = /^[0-9a-f]{32}$/

export function parseSnapshotId(input: unknown): SnapshotId {
  return typeof input === 'string' && idPattern.test(input)
    ? (input as SnapshotId)
    : malformed('snapshot', '32 hexadecimal digits')
}

export function parseSnapshotOffer(input: unknown): SnapshotOffer {
  const o = parseObject(input, 'snapshot')
  return {
    id: parseSnapshotId(o.id),
    parts: parseWhole(o.parts, 'snapshot.parts', 1),
    rows: parseWhole(o.rows, 'snapshot.rows'),
  }
}
