/** `POST /sync`, downwards: an outcome per operation, and what changed since the cursor. */
import { type Generation, parseGeneration, parseRecordId, type RecordId } from '../ids.ts'
import type { Json } from '../json.ts'
import { cursorLengthMax } from './limits.ts'
import { type Outcome, parseOutcome } from './outcome.ts'
import { malformed, parseArray, parseBoolean, parseObject, parseOneOf, parseText, parseWhole } from './parser.ts'
import { parseSnapshotOffer, type SnapshotOffer } from './snapshot-offer.ts'

export interface SyncReply {
  readonly generation: Generation
  readonly serverTimeMs: number
  readonly outcomes: readonly Outcome[]
  readonly changes: readonly CollectionChanges[]
  /** The cursor after these changes; null: the one that was sent still holds. */
  readonly cursor: string | null
  /** More pages of this pull wait. Pages are shown together when the last has come (the first sync excepted). */
  readonly more: boolean
  /** Every commit up to this one is in what the device now has, when `more` is false. */
  readonly through: number
  /** Commits that this server has announced are not in `through` yet: ask again soon. */
  readonly behind: boolean
  /** Rows that this pull has left, this page included; null when that is not known. For progress only. */
  readonly remaining: number | null
  /**
   * The version of the server's schema, where it is another than the app's. Of an older server: what the app has more than that waits for
   * it, and the changes are in its form. A newer one has brought them into that of the app.
   */
  readonly serverSchema: number | null
  /** About the previous device, when it was asked for; null otherwise. */
  readonly previous: PreviousDevice | null
  /** Offered in place of changes and cursor to a device that asked for one; `more` is true, `remaining` its rows. Null otherwise. */
  readonly snapshot: SnapshotOffer | null
}

/** What a device had told of itself. */
export interface PreviousDevice {
  /** What it kept, when it told so last, that the server had not taken; null: it has never synced as this user. */
  readonly reported: { readonly pending: number; readonly atMs: number } | null
}

/** The changed records of one collection, as arrays: a third of the bytes and the time of objects. */
export interface CollectionChanges {
  readonly collection: string
  /** What each row holds: 'id', '$version', 'createdAt', 'updatedAt', then fields and documents of shared texts (`documentColumn`) by name. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Json[])[]
  readonly gone: readonly GoneRecord[]
}

/** A record that is no longer on the device: deleted, or out of its scopes. */
export interface GoneRecord {
  readonly record: RecordId
  readonly version: number
  readonly why: 'deleted' | 'left'
}

/** A field's name, or that of its document. */
const columnLengthMax = 67

/** The first columns of every row of changes. */
export const changeColumns = ['id', '$version', 'createdAt', 'updatedAt'] as const

/** Parses a reply. Values of rows are not judged here: a row that breaks the schema is shown and marked, never a reason to stop. */
export function parseSyncReply(input: unknown): SyncReply {
  const o = parseObject(input, 'reply')
  return {
    generation: parseGeneration(o.generation),
    serverTimeMs: parseWhole(o.serverTime, 'reply.serverTime'),
    outcomes: o.outcomes === undefined ? [] : parseArray(o.outcomes, 'reply.outcomes').map(parseOutcome),
    changes: o.changes === undefined ? [] : parseArray(o.changes, 'reply.changes').map(parseChanges),
    cursor: o.cursor === undefined ? null : parseText(o.cursor, 'reply.cursor', cursorLengthMax),
    more: o.more === undefined ? false : parseBoolean(o.more, 'reply.more'),
    through: parseWhole(o.through, 'reply.through'),
    behind: o.behind === undefined ? false : parseBoolean(o.behind, 'reply.behind'),
    remaining: o.remaining === undefined ? null : parseWhole(o.remaining, 'reply.remaining'),
    serverSchema: o.schema === undefined ? null : parseWhole(o.schema, 'reply.schema', 1),
    previous: o.previous === undefined ? null : parsePrevious(o.previous),
    snapshot: o.snapshot === undefined ? null : parseSnapshotOffer(o.snapshot),
  }
}

function parsePrevious(input: unknown): PreviousDevice {
  const o = parseObject(input, 'reply.previous')
  if (o.at === undefined) return { reported: null }
  const pending = parseWhole(o.pending, 'reply.previous.pending')
  return { reported: { pending, atMs: parseWhole(o.at, 'reply.previous.at') } }
}

/** Those of a page. */
export function parseChanges(input: unknown): CollectionChanges {
  const o = parseObject(input, 'changes')
  const columns = parseArray(o.columns, 'changes.columns').map((name) =>
    parseText(name, 'changes.columns', columnLengthMax),
  )
  if (changeColumns.some((name, index) => columns[index] !== name))
    malformed('changes.columns', `led by ${changeColumns.join(', ')}`)
  const rows = parseArray(o.rows, 'changes.rows')
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== columns.length) malformed('changes.rows', 'arrays as long as the columns')
    parseRecordId(row[0])
    parseWhole(row[1], 'changes.rows.$version', 1)
    parseWhole(row[2], 'changes.rows.createdAt', Number.MIN_SAFE_INTEGER)
    parseWhole(row[3], 'changes.rows.updatedAt', Number.MIN_SAFE_INTEGER)
  }
  return {
    collection: parseText(o.collection, 'changes.collection', 63),
    columns,
    rows: rows as readonly (readonly Json[])[],
    gone: o.gone === undefined ? [] : parseArray(o.gone, 'changes.gone').map(parseGone),
  }
}

function parseGone(input: unknown): GoneRecord {
  const [record, version, why] = parseArray(input, 'changes.gone')
  return {
    record: parseRecordId(record),
    version: parseWhole(version, 'changes.gone.version'),
    why: parseOneOf(why, ['deleted', 'left'], 'changes.gone.why'),
  }
}

/** One collection's changes on their way out: `rows` is the text of a JSON array, as the store made it. */
export interface ChangesText {
  readonly collection: string
  readonly columns: readonly string[]
  readonly rows: string
  readonly gone: readonly GoneRecord[]
}

/** The body of a reply. Outcomes are passed as the texts that the store holds, so that a repeated one is equal byte for byte. */
export function syncReplyText(
  reply: Omit<SyncReply, 'outcomes' | 'changes'> & {
    readonly outcomes: readonly string[]
    readonly changes: readonly ChangesText[]
  },
): string {
  const head = JSON.stringify({
    generation: reply.generation,
    serverTime: reply.serverTimeMs,
    through: reply.through,
    ...(reply.cursor === null ? {} : { cursor: reply.cursor }),
    ...(reply.more ? { more: true } : {}),
    ...(reply.behind ? { behind: true } : {}),
    ...(reply.remaining === null ? {} : { remaining: reply.remaining }),
    ...(reply.serverSchema === null ? {} : { schema: reply.serverSchema }),
    ...(reply.previous === null ? {} : { previous: previousMembers(reply.previous) }),
    ...(reply.snapshot === null ? {} : { snapshot: reply.snapshot }),
  })
  const outcomes = reply.outcomes.length === 0 ? '' : `,"outcomes":[${reply.outcomes.join(',')}]`
  const changes = reply.changes.length === 0 ? '' : `,"changes":[${reply.changes.map(changesText).join(',')}]`
  return `${head.slice(0, -1)}${outcomes}${changes}}`
}

function previousMembers({ reported }: PreviousDevice): object {
  return reported === null ? {} : { pending: reported.pending, at: reported.atMs }
}

function changesText(changes: ChangesText): string {
  return `{"collection":${JSON.stringify(changes.collection)},"columns":${JSON.stringify(changes.columns)},"rows":${changes.rows}${goneMembers(changes.gone)}}`
}

/** The member `gone` behind others; empty where nothing is gone. */
export function goneMembers(gone: readonly GoneRecord[]): string {
  return gone.length === 0 ? '' : `,"gone":${JSON.stringify(gone.map((g) => [g.record, g.version, g.why]))}`
}
