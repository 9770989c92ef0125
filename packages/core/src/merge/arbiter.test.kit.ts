/** What the tests of merging share: writes in short, and a server's record in memory. */
import { stampOf } from '../clock/hlc.ts'
import { parseDeviceId, parseGeneration, parseOperationId, parseTransactionId, parseUserId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { OperationKind } from '../protocol/operation.ts'
import type { Collection } from '../schema/collection.ts'
import { applyOperation, type Disputed, type Effect, type StampedOperation, type Taken } from './apply-operation.ts'
import type { Settlement } from './conflict.ts'

const generation = parseGeneration('abcd1234')

export const device = (n: number) => parseDeviceId(`0190aaaa-bbbb-7ccc-8ddd-00000000000${n}`)

export interface Written {
  readonly kind: OperationKind
  /** Makes the operation's id: each number once in a test whose conflicts are told apart. */
  readonly n?: number
  readonly fields?: JsonObject
  readonly was?: JsonObject
  /** The record's version that the writer had seen; null: of another generation. */
  readonly version?: number | null
  readonly device?: number
  /** `user-` and the device's number unless it says otherwise. */
  readonly user?: string
  /** The corrected time, in milliseconds. */
  readonly at?: number
  readonly arrived?: number
  /** By number: the refused operations in whose place it comes. */
  readonly replaces?: readonly number[]
  readonly settles?: readonly Settlement[]
}

const idOf = (n: number) => `0190aaaa-bbbb-7ccc-8ddd-${String(n).padStart(12, '0')}`

export function stampedOf(given: Written): StampedOperation {
  const at = given.at ?? 1_000
  const writer = device(given.device ?? 1)
  const id = idOf(given.n ?? 0)
  return {
    operation: {
      id: parseOperationId(id),
      user: parseUserId(given.user ?? `user-${given.device ?? 1}`),
      device: writer,
      seq: 1,
      tx: { id: parseTransactionId(id), index: 0, count: 1 },
      collection: 'leads',
      record: 'r',
      kind: given.kind,
      fields: given.fields ?? {},
      was: given.was ?? {},
      base: { generation: given.version === null ? parseGeneration('lost') : generation, version: given.version ?? 0 },
      time: { at, epoch: 0, hlc: { ms: at, counter: 0 } },
      schemaVersion: 1,
      replaces: (given.replaces ?? []).map((n) => parseOperationId(idOf(n))),
      settles: given.settles ?? [],
    },
    correctedMs: at,
    stamp: stampOf(at, 0, writer),
    arrivedMs: given.arrived ?? at,
  }
}

export const nowhere: Disputed = { record: null, conflicts: [] }

export function apply(collection: Collection, before: Disputed, given: Written): Effect {
  return applyOperation(collection, before, stampedOf(given), generation)
}

/** The effect of a write that must not be refused. */
export function take(collection: Collection, before: Disputed, given: Written): Taken {
  const effect = apply(collection, before, given)
  if (effect.kind === 'refused') throw new Error(`refused: ${effect.code} ${effect.problem}`)
  if (effect.kind === 'broken') throw effect.fault
  return effect
}

/** The record after these writes, in this order of arrival. */
export function takeAll(collection: Collection, before: Disputed, writes: readonly Written[]): Disputed {
  return writes.reduce<Disputed>((now, write) => take(collection, now, write), before)
}

export function ordersOf<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length < 2) return [items]
  return items.flatMap((item, index) => ordersOf(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))
}
