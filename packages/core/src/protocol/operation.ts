/**
 * An operation: one immutable intent on one record. It is written into the outbox in the transaction that changes the row,
 * and never changes afterwards; its hash is over its bytes.
 *
 * O1  `id` with `user` is the idempotency key: sent any number of times, it counts once.
 * O2  `seq` counts up by one per device and is the only local order.
 * O3  `was` holds what the writer saw of each field that it changes: the base of every merge.
 */

import type { Hlc } from '../clock/hlc.ts'
import {
  type DeviceId,
  type Generation,
  type OperationId,
  parseDeviceId,
  parseGeneration,
  parseOperationId,
  parseRecordId,
  parseTransactionId,
  parseUserId,
  type RecordId,
  type TransactionId,
  type UserId,
} from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { Settlement } from '../merge/conflict.ts'
import { transactionOperationsMax } from './limits.ts'
import { malformed, parseArray, parseJsonObject, parseObject, parseOneOf, parseText, parseWhole } from './parser.ts'

export const operationKinds = ['create', 'update', 'increment', 'add', 'remove', 'edit', 'delete', 'restore'] as const
/**
 *   create     `fields`: every field of the new record; `was`: {}
 *   update     `fields`: new values; `was`: the values that the writer saw
 *   increment  `fields`: what to add to each counter; `was`: the counters that the writer saw
 *   add        `fields`: texts to add to each set; `was`: the sets that the writer saw
 *   remove     `fields`: texts to take out of each set; `was`: the sets that the writer saw
 *   edit       `fields`: a change of each shared text, as its type made it; `was`: the texts that the writer saw
 *   delete     `fields`: {}; `was`: the whole record that the writer saw
 *   restore    `fields`: the record as the device shows it until the server answers, and as it shall be when the restore settles a
 *              conflict; `was`: {}
 */
export type OperationKind = (typeof operationKinds)[number]

export interface Operation {
  readonly id: OperationId
  readonly user: UserId
  readonly device: DeviceId
  readonly seq: number
  readonly tx: { readonly id: TransactionId; readonly index: number; readonly count: number }
  readonly collection: string
  readonly record: RecordId
  readonly kind: OperationKind
  readonly fields: JsonObject
  readonly was: JsonObject
  /** The confirmed state that the writer had seen: version 0 when the server had none, generation null before the first sync. */
  readonly base: { readonly generation: Generation | null; readonly version: number }
  /** `at`: the device's wall clock in milliseconds; `epoch`: see DeviceClock. */
  readonly time: { readonly at: number; readonly epoch: number; readonly hlc: Hlc }
  readonly schemaVersion: number
  /**
   * The refused operations in whose place this one comes (retry, fix): of them and it, at most one takes effect. The newest first, at
   * most `replacedMax`; most operations replace none.
   */
  readonly replaces: readonly OperationId[]
  /** The conflicts that this operation settles, with what its writer saw of them; most settle none. An update may settle without a field. */
  readonly settles: readonly Settlement[]
}

export function parseOperation(input: unknown): Operation {
  const o = parseObject(input, 'operation')
  const tx = parseObject(o.tx, 'operation.tx')
  const base = parseObject(o.base, 'operation.base')
  const time = parseObject(o.time, 'operation.time')
  const hlc = parseArray(time.hlc, 'operation.time.hlc')
  const count = parseWhole(tx.count, 'operation.tx.count', 1)
  const index = parseWhole(tx.index, 'operation.tx.index')
  if (count > transactionOperationsMax || index >= count)
    malformed('operation.tx', 'an index below a count within the limit')
  return {
    id: parseOperationId(o.id),
    user: parseUserId(o.user),
    device: parseDeviceId(o.device),
    seq: parseWhole(o.seq, 'operation.seq', 1),
    tx: { id: parseTransactionId(tx.id), index, count },
    collection: parseText(o.collection, 'operation.collection', 63),
    record: parseRecordId(o.record),
    kind: parseOneOf(o.kind, operationKinds, 'operation.kind'),
    fields: parseJsonObject(o.fields, 'operation.fields'),
    was: parseJsonObject(o.was, 'operation.was'),
    base: {
      generation: base.generation === null ? null : parseGeneration(base.generation),
      version: parseWhole(base.version, 'operation.base.version'),
    },
    time: {
      at: parseWhole(time.at, 'operation.time.at', Number.MIN_SAFE_INTEGER),
      epoch: parseWhole(time.epoch, 'operation.time.epoch'),
      hlc: { ms: parseWhole(hlc[0], 'operation.time.hlc'), counter: parseWhole(hlc[1], 'operation.time.hlc') },
    },
    schemaVersion: parseWhole(o.schemaVersion, 'operation.schemaVersion', 1),
    replaces: o.replaces === undefined ? [] : parseReplaced(o.replaces),
    settles: o.settles === undefined ? [] : parseArray(o.settles, 'operation.settles').map(parseSettlement),
  }
}

/** Of an operation that was retried again and again without an answer; a device leaves out what is in between. */
export const replacedMax = 32

function parseReplaced(input: unknown): readonly OperationId[] {
  const ids = parseArray(input, 'operation.replaces').map(parseOperationId)
  if (ids.length === 0 || ids.length > replacedMax) malformed('operation.replaces', `1 to ${replacedMax} operations`)
  return ids
}

function parseSettlement(input: unknown): Settlement {
  const [conflict, revision] = parseArray(input, 'operation.settles')
  return { conflict: parseRecordId(conflict), revision: parseWhole(revision, 'operation.settles', 1) }
}

/** The operation's bytes, as stored, sent and hashed: member order is fixed here and nowhere else. */
export function operationText(o: Operation): string {
  return JSON.stringify({
    id: o.id,
    user: o.user,
    device: o.device,
    seq: o.seq,
    tx: { id: o.tx.id, index: o.tx.index, count: o.tx.count },
    collection: o.collection,
    record: o.record,
    kind: o.kind,
    fields: o.fields,
    was: o.was,
    base: { generation: o.base.generation, version: o.base.version },
    time: { at: o.time.at, epoch: o.time.epoch, hlc: [o.time.hlc.ms, o.time.hlc.counter] },
    schemaVersion: o.schemaVersion,
    ...(o.replaces.length === 0 ? {} : { replaces: o.replaces }),
    ...(o.settles.length === 0 ? {} : { settles: o.settles.map(({ conflict, revision }) => [conflict, revision]) }),
  })
}
