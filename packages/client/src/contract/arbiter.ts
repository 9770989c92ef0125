/**
 * A server in memory that judges by core's own rules and keeps conflicts and decisions as rows, for tests of devices that meet each
 * other: one commit per app transaction, every outcome kept, pages of any size.
 */
import {
  applyOperation,
  type Collection,
  type CollectionChanges,
  type Conflict,
  changeColumns,
  closedRow,
  conflictRow,
  conflictsCollection,
  type Decision,
  type Disputed,
  decisionRow,
  decisionsCollection,
  type Effect,
  isSameConflict,
  type Operation,
  type OperationId,
  type Outcome,
  parseOperation,
  type Schema,
  type ServerRecord,
  type SyncReply,
  stampOf,
  withSystemCollections,
} from '@holdfast/core'
import { generation, reply } from './test-device.ts'

interface Entry {
  readonly collection: string
  readonly id: string
  readonly record: ServerRecord
  readonly place: number
  readonly hasLeft: boolean
}

export interface Arbiter {
  /** Answers the outcomes. @param refuses by the unit's place in the batch. */
  push(texts: readonly string[], refuses?: (unit: number) => boolean): readonly Outcome[]
  /** The replies of one pull, in pages of `size` entries. */
  pull(cursor: string | null, size?: number): readonly SyncReply[]
  /** The record goes out of everybody's scope, with what is open and known about it. */
  leave(collection: string, record: string): void
  /** It comes back, with what is open about it. */
  enter(collection: string, record: string): void
  disputed(collection: string, record: string): Disputed
  /** Rows that are not deleted, by id. */
  rows(collection: string): ReadonlyMap<string, ServerRecord>
}

export function createArbiter(app: Schema, nowMs: () => number): Arbiter {
  const schema = withSystemCollections(app)
  let entries = new Map<string, Entry>()
  let open = new Map<string, readonly Conflict[]>()
  let head = 0
  const outcomes = new Map<OperationId, Outcome>()

  function put(collection: string, id: string, record: ServerRecord, hasLeft = false): void {
    const key = `${collection} ${id}`
    entries.delete(key)
    entries.set(key, { collection, id, record, place: head, hasLeft })
  }

  function disputed(collection: string, record: string): Disputed {
    const key = `${collection} ${record}`
    return { record: entries.get(key)?.record ?? null, conflicts: open.get(key) ?? [] }
  }

  function judge(operation: Operation): Outcome {
    const { collection: name, record, id, device, time } = operation
    const before = disputed(name, record)
    if (entries.get(`${name} ${record}`)?.hasLeft) {
      return { kind: 'rejected', id, code: 'NOT_FOUND', field: null, problem: 'There is no such record.' }
    }
    const collection = app.collections[name] as Collection
    const stamp = stampOf(time.hlc.ms, time.hlc.counter, device)
    const stamped = { operation, correctedMs: time.at, stamp, arrivedMs: nowMs() }
    const effect: Effect = applyOperation(collection, before, stamped, generation)
    if (effect.kind === 'refused') {
      return { kind: 'rejected', id, code: effect.code, field: effect.field, problem: effect.problem }
    }
    if (effect.kind === 'broken') throw effect.fault
    if (effect.kind === 'changed') put(name, record, effect.record)
    keepConflicts(operation, before.conflicts, effect.conflicts, effect.record.version)
    keepDecisions(operation, effect.decisions, effect.record.version)
    const revisions = new Map(before.conflicts.map((conflict) => [conflict.id, conflict.revision]))
    const fields = effect.conflicts
      .filter((conflict) => revisions.get(conflict.id) !== conflict.revision)
      .map(({ field }) => field)
    const common = { id, version: effect.record.version, place: head }
    if (fields.length > 0) return { kind: 'conflict', ...common, fields }
    return effect.decisions.length > 0 ? { kind: 'merged', ...common, dropped: [] } : { kind: 'applied', ...common }
  }

  function keepConflicts(
    { collection, record }: Operation,
    before: readonly Conflict[],
    after: readonly Conflict[],
    version: number,
  ): void {
    open.set(`${collection} ${record}`, after)
    for (const conflict of after) {
      const row = entries.get(`${conflictsCollection} ${conflict.id}`)?.record ?? null
      const known = before.find(({ id }) => id === conflict.id)
      if (known !== undefined && isSameConflict(known, conflict)) continue
      put(conflictsCollection, conflict.id, conflictRow({ collection, record }, conflict, row, version))
    }
    for (const { id } of before) {
      const row = entries.get(`${conflictsCollection} ${id}`)?.record
      if (row !== undefined && !after.some((conflict) => conflict.id === id)) {
        put(conflictsCollection, id, closedRow(row))
      }
    }
  }

  function keepDecisions(
    { id, user, device, time, collection, record }: Operation,
    decisions: readonly Decision[],
    version: number,
  ): void {
    const by = { user, device, at: time.at, correctedAt: time.at }
    decisions.forEach((decision, index) => {
      const met = { operation: id, version, by, nowMs: nowMs() }
      put(decisionsCollection, `${id}.d${index}`, decisionRow({ collection, record }, decision, met))
    })
  }

  /** A unit takes effect whole or not at all. */
  function pushUnit(unit: readonly Operation[], isRefused: boolean): void {
    const kept = { entries: new Map(entries), open: new Map(open) }
    head += 1
    const made: Outcome[] = []
    for (const operation of unit) {
      const { id } = operation
      const no = { kind: 'rejected', id, code: 'FORBIDDEN', field: null, problem: 'No.' } as const
      const outcome = isRefused ? no : judge(operation)
      made.push(outcome)
      if (outcome.kind !== 'rejected') continue
      entries = kept.entries
      open = kept.open
      for (const other of unit) {
        outcomes.set(other.id, other === operation ? outcome : { kind: 'blocked', id: other.id, by: id })
      }
      return
    }
    for (const outcome of made) outcomes.set(outcome.id, outcome)
  }

  /** The record's entry, and those of what is open and known about it. */
  function about(collection: string, record: string): readonly Entry[] {
    return [...entries.values()].filter(
      (entry) =>
        (entry.collection === collection && entry.id === record) ||
        entry.record.values.fields.subject === `${collection} ${record}`,
    )
  }

  function changesOf(page: readonly Entry[]): readonly CollectionChanges[] {
    return [...Map.groupBy(page, ({ collection }) => collection)].map(([name, of]) => {
      const columns = [...changeColumns, ...Object.keys(schema.collections[name]?.fields ?? {})]
      const isGone = ({ record, hasLeft }: Entry) => hasLeft || record.state === 'deleted'
      return {
        collection: name,
        columns,
        rows: of
          .filter((entry) => !isGone(entry))
          .map(({ id, record: { version, values } }) => [
            id,
            version,
            values.createdAt,
            values.updatedAt,
            ...columns.slice(changeColumns.length).map((column) => values.fields[column] ?? null),
          ]),
        gone: of.filter(isGone).map(({ id, record, hasLeft }) => ({
          record: id,
          version: record.version,
          why: hasLeft ? 'left' : 'deleted',
        })),
      }
    })
  }

  return {
    disputed,
    push(texts, refuses = () => false) {
      const operations = texts.map((text) => parseOperation(JSON.parse(text)))
      const units = [...Map.groupBy(operations, ({ tx }) => tx.id).values()]
      units.forEach((unit, index) => {
        if (unit.some(({ id }) => !outcomes.has(id))) pushUnit(unit, refuses(index))
      })
      return operations.flatMap(({ id }) => outcomes.get(id) ?? [])
    },
    pull(cursor, size = 1_000) {
      const changed = [...entries.values()].filter(({ place }) => place > Number(cursor ?? 0))
      const pages: SyncReply[] = []
      for (let start = 0; start === 0 || start < changed.length; start += size) {
        const page = changed.slice(start, start + size)
        const more = start + size < changed.length
        // A page may end within a commit: its cursor is then that of the commit before.
        const next = more ? Math.min(page.at(-1)?.place ?? head, (changed[start + size]?.place ?? head) - 1) : head
        pages.push(
          reply({
            serverTimeMs: nowMs(),
            changes: changesOf(page),
            cursor: String(Math.max(next, Number(cursor ?? 0))),
            more,
            through: more ? 0 : head,
          }),
        )
      }
      return pages
    },
    leave(collection, record) {
      if (!entries.has(`${collection} ${record}`)) return
      head += 1
      for (const entry of about(collection, record)) put(entry.collection, entry.id, entry.record, true)
    },
    enter(collection, record) {
      if (!entries.get(`${collection} ${record}`)?.hasLeft) return
      head += 1
      for (const entry of about(collection, record)) {
        if (entry.collection !== decisionsCollection) put(entry.collection, entry.id, entry.record)
      }
    },
    rows: (collection) =>
      new Map(
        [...entries.values()]
          .filter((entry) => entry.collection === collection && entry.record.state === 'live' && !entry.hasLeft)
          .map(({ id, record }) => [id, record]),
      ),
  }
}
