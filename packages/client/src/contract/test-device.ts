/** A device for the store's tests: a small schema, ids and time in the test's hand, and a server that is a map. */
import {
  type CollectionChanges,
  changeColumns,
  collection,
  conflictRow,
  conflictsCollection,
  type DeviceId,
  defineSchema,
  type Generation,
  type Json,
  type Operation,
  type OperationId,
  type OperationKind,
  type Outcome,
  parseGeneration,
  parseOperation,
  parseOperationId,
  parseTransactionId,
  parseUserId,
  type SyncReply,
  systemCollections,
  type TransactionId,
  t,
} from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import type { OperationDraft, WriteDraft } from '../store/store.ts'

export const notebook = defineSchema({
  version: 1,
  collections: {
    notes: collection({
      fields: {
        title: t.text({ min: 1, max: 200 }),
        body: t.text({ default: '' }),
        phone: t.text({ default: '' }),
        done: t.boolean({ default: false }),
        count: t.counter(),
        price: t.real({ optional: true }),
        extra: t.json({ optional: true }),
      },
      indexes: [['done', 'updatedAt']],
      search: ['title', 'body', 'phone'],
    }),
    tags: collection({ fields: { name: t.text(), note: t.ref('notes', { optional: true }) } }),
  },
})

export const noteColumns = [
  'id',
  '$version',
  'createdAt',
  'updatedAt',
  'title',
  'body',
  'phone',
  'done',
  'count',
  'price',
  'extra',
] as const

export const generation: Generation = parseGeneration('gen1')
export const user = parseUserId('user-1')
export const wholeBatch = { operationsMax: 1_000, bytesMax: 8_000_000 }

export interface TestWorld extends Ambient {
  /** Both clocks go on. */
  wait(ms: number): void
  /** The wall clock jumps, the monotonic one does not. */
  jump(ms: number): void
  readonly operationId: () => OperationId
  readonly transactionId: () => TransactionId
}

export function createTestWorld(startMs = 1_800_000_000_000): TestWorld {
  let wallMs = startMs
  let monotonicMs = 0
  let made = 0
  const uuid = () => {
    made += 1
    return `00000000-0000-7000-8000-${made.toString(16).padStart(12, '0')}`
  }
  return {
    clock: { now: () => wallMs, monotonic: () => monotonicMs },
    random: { next: () => 0.5, uuid },
    timers: { after: () => () => {} },
    wait: (ms) => {
      wallMs += ms
      monotonicMs += ms
    },
    jump: (ms) => {
      wallMs += ms
    },
    operationId: () => parseOperationId(uuid()),
    transactionId: () => parseTransactionId(uuid()),
  }
}

export type Change = readonly [
  kind: OperationKind,
  record: string,
  fields?: OperationDraft['fields'],
  collection?: string,
]

/** One app transaction. */
export function draft(world: TestWorld, ...changes: readonly Change[]): WriteDraft {
  return {
    tx: world.transactionId(),
    operations: changes.map(([kind, record, fields, name]) => ({
      id: world.operationId(),
      collection: name ?? 'notes',
      record,
      kind,
      fields: fields ?? {},
    })),
  }
}

export function reply(given: Partial<SyncReply> = {}): SyncReply {
  return {
    generation,
    serverTimeMs: 1_800_000_000_000,
    outcomes: [],
    changes: [],
    cursor: null,
    more: false,
    through: 0,
    behind: false,
    remaining: null,
    serverSchema: null,
    previous: null,
    snapshot: null,
    ...given,
  }
}

export function applied(id: OperationId, version: number, place = version): Outcome {
  return { kind: 'applied', id, version, place }
}

export function rejected(id: OperationId): Outcome {
  return { kind: 'rejected', id, code: 'FORBIDDEN', field: null, problem: 'No.' }
}

/** A page of notes; what is not given is as a new note has it. */
export function notes(
  rows: readonly (readonly [id: string, version: number, fields: { readonly [name: string]: Json }])[],
  gone: CollectionChanges['gone'] = [],
): CollectionChanges {
  return {
    collection: 'notes',
    columns: noteColumns,
    rows: rows.map(([id, version, fields]) => {
      const values: Record<string, Json> = {
        body: '',
        phone: '',
        done: false,
        count: 0,
        price: null,
        extra: null,
        ...fields,
      }
      return [id, version, 1_000, 1_000 + version, ...noteColumns.slice(4).map((name) => values[name] ?? null)]
    }),
    gone,
  }
}

/** A page of conflicts about fields of notes, of which this device has written one side. */
export function conflicts(
  device: DeviceId,
  rows: readonly (readonly [
    id: string,
    record: string,
    field: string,
    sides: { readonly local: Json; readonly remote: Json },
  ])[],
  gone: CollectionChanges['gone'] = [],
): CollectionChanges {
  const columns = [...changeColumns, ...Object.keys(systemCollections._conflicts.fields)]
  const author = (by: DeviceId | string) => ({ user, device: by, at: 2_000, correctedAt: 2_000 })
  return {
    collection: conflictsCollection,
    columns,
    rows: rows.map(([id, record, field, sides]) => {
      const conflict = {
        id,
        field,
        revision: 1,
        base: '',
        ...sides,
        localBy: author(device),
        remoteBy: author('other'),
      }
      const { version, values } = conflictRow({ collection: 'notes', record }, conflict, null, 2)
      const fields = columns.slice(changeColumns.length).map((column) => values.fields[column] ?? null)
      return [id, version, values.createdAt, values.updatedAt, ...fields]
    }),
    gone,
  }
}

interface ServerNote {
  version: number
  place: number
  fields: { [name: string]: Json } | null
  /** What a restore brings back. */
  last: { [name: string]: Json }
}

/** What a server does, as a map: one commit per operation, outcomes kept, pages of any size. */
export function createModelServer() {
  const records = new Map<string, ServerNote>()
  const outcomes = new Map<OperationId, Outcome>()
  let head = 0

  function put(record: string, fields: ServerNote['fields']): ServerNote {
    head += 1
    const before = records.get(record)
    const note = { version: (before?.version ?? 0) + 1, place: head, fields, last: fields ?? before?.last ?? {} }
    records.set(record, note)
    return note
  }

  function effect({ kind, record, fields }: Operation): ServerNote['fields'] | 'refused' {
    const before = records.get(record)
    const live = before?.fields ?? null
    switch (kind) {
      case 'create':
        return before === undefined ? { ...fields } : 'refused'
      case 'update':
        return live === null ? 'refused' : { ...live, ...fields }
      case 'increment':
        return live === null
          ? 'refused'
          : {
              ...live,
              ...Object.fromEntries(Object.entries(fields).map(([f, by]) => [f, Number(live[f]) + Number(by)])),
            }
      case 'delete':
        return live === null ? 'refused' : null
      case 'restore':
        return before === undefined ? 'refused' : before.last
      default:
        return 'refused' // The notebook has no field that it writes.
    }
  }

  /** A unit takes effect whole or not at all. */
  function applyUnit(unit: readonly Operation[], refuse: boolean): void {
    const kept = new Map(records)
    const keptHead = head
    const made: Outcome[] = []
    for (const operation of unit) {
      const fields = refuse ? 'refused' : effect(operation)
      if (fields === 'refused') {
        records.clear()
        for (const [id, note] of kept) records.set(id, note)
        head = keptHead
        for (const { id } of unit)
          outcomes.set(id, id === operation.id ? rejected(id) : { kind: 'blocked', id, by: operation.id })
        return
      }
      const note = put(operation.record, fields)
      made.push(applied(operation.id, note.version, note.place))
    }
    for (const outcome of made) outcomes.set(outcome.id, outcome)
  }

  return {
    records,
    /** Another device's write. */
    remote: (record: string, fields: ServerNote['fields']) => {
      const before = records.get(record)
      if (before !== undefined && before.fields === null) return
      if (fields === null && before === undefined) return
      put(record, fields === null ? null : { title: 'x', ...before?.fields, ...fields })
    },
    push: (texts: readonly string[], refuses: (index: number) => boolean = () => false): readonly Outcome[] => {
      const operations = texts.map((text) => parseOperation(JSON.parse(text)))
      const units = [...Map.groupBy(operations, ({ tx }) => tx.id).values()]
      units.forEach((unit, index) => {
        if (unit.some(({ id }) => !outcomes.has(id))) applyUnit(unit, refuses(index))
      })
      return operations.flatMap(({ id }) => outcomes.get(id) ?? [])
    },
    /** All that has changed since the cursor, in pages of `size` rows. */
    pull: (cursor: string | null, size: number): readonly Partial<SyncReply>[] => {
      const since = Number(cursor ?? 0)
      const changed = [...records].filter(([, { place }]) => place > since).sort(([, a], [, b]) => a.place - b.place)
      const pages: Partial<SyncReply>[] = []
      for (let start = 0; start === 0 || start < changed.length; start += size) {
        const page = changed.slice(start, start + size)
        const more = start + size < changed.length
        const rows = page.flatMap(([id, { version, fields }]) =>
          fields === null ? [] : [[id, version, fields] as const],
        )
        const gone = page.flatMap(([record, { version, fields }]) =>
          fields === null ? [{ record, version, why: 'deleted' as const }] : [],
        )
        const last = page.at(-1)
        pages.push({
          changes: [notes(rows, gone)],
          cursor: String(last?.[1].place ?? since),
          more,
          through: more ? 0 : head,
        })
      }
      return pages
    },
  }
}
