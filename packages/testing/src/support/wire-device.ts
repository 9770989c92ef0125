/**
 * A device by the protocol alone: it writes operations on what it has pulled, at times of its own, and sends them when it is told to.
 * What the server makes of concurrent writes is seen without what a client adds.
 */
import {
  collectionOf,
  type DeviceId,
  fold,
  type Generation,
  type Json,
  type JsonObject,
  type Operation,
  type OperationKind,
  type Outcome,
  operationText,
  parseDeviceId,
  parseOperationId,
  parseSyncReply,
  parseTransactionId,
  parseUserId,
  type RecordId,
  type RecordValues,
  type Schema,
  type SyncReply,
  syncRequestText,
} from '@holdfast/core'
import type { Server } from '@holdfast/server'
import { v7 } from 'uuid'

export interface Write {
  readonly collection: string
  readonly record: RecordId
  readonly kind: OperationKind
  readonly fields?: JsonObject
  /** By the device's clock, which is the server's. */
  readonly at: number
  readonly settles?: Operation['settles']
  readonly replaces?: Operation['replaces']
  readonly schemaVersion?: number
}

export interface HeldRow {
  readonly version: number
  readonly values: RecordValues
}

export interface WireDevice {
  readonly id: DeviceId
  readonly user: string
  /** One app transaction. */
  write(...writes: readonly Write[]): readonly Operation[]
  /** Sends what was written, as it is or as it is given here, and pulls to the end. Answers what became of it. */
  sync(operations?: readonly Operation[]): Promise<readonly (Outcome | null)[]>
  /** The texts of the server's replies, oldest first. */
  readonly replies: readonly string[]
  /** What the server last said. */
  held(collection: string): ReadonlyMap<RecordId, HeldRow>
}

export interface WireWorld {
  readonly server: () => Server
  readonly schema: Schema
  readonly nowMs: () => number
}

/** @param user the token too. */
export function createWireDevice({ server, schema, nowMs }: WireWorld, user: string): WireDevice {
  const device = parseDeviceId(v7())
  const rows = new Map<string, Map<RecordId, HeldRow>>()
  const written: Operation[] = []
  const replies: string[] = []
  let generation: Generation | null = null
  let cursor: string | null = null
  let seq = 0

  const rowsOf = (collection: string): Map<RecordId, HeldRow> => {
    const known = rows.get(collection) ?? new Map<RecordId, HeldRow>()
    rows.set(collection, known)
    return known
  }

  const shown = (collection: string, record: RecordId): RecordValues | null =>
    written
      .filter((operation) => operation.collection === collection && operation.record === record)
      .reduce<RecordValues | null>(
        (row, operation) => fold(collectionOf(schema, collection), row, operation, operation.time.at),
        rowsOf(collection).get(record)?.values ?? null,
      )

  const wasOf = ({ collection, record, kind, fields = {} }: Write): JsonObject => {
    const seen = shown(collection, record)?.fields ?? {}
    const isWhole = kind === 'delete' || (kind === 'update' && schema.collections[collection]?.merge.kind === 'record')
    if (kind === 'create' || kind === 'restore') return {}
    return isWhole ? seen : Object.fromEntries(Object.keys(fields).map((name) => [name, seen[name] ?? null]))
  }

  const operationOf = (write: Write, tx: Operation['tx']): Operation => {
    seq += 1
    const { collection, record, kind, fields = {}, at, settles = [], replaces = [], schemaVersion = 1 } = write
    return {
      id: parseOperationId(v7()),
      user: parseUserId(user),
      device,
      seq,
      tx,
      collection,
      record,
      kind,
      fields,
      was: wasOf(write),
      base: { generation, version: rowsOf(collection).get(record)?.version ?? 0 },
      time: { at, epoch: 0, hlc: { ms: at, counter: 0 } },
      schemaVersion,
      replaces,
      settles,
    }
  }

  const round = async (operations: readonly Operation[]): Promise<SyncReply> => {
    const body = syncRequestText({
      schema: 1,
      user: parseUserId(user),
      device,
      clock: { nowMs: nowMs(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
      cursor,
      pull: 'page',
      pending: 0,
      previousDevice: null,
      operations: operations.map(operationText),
    })
    const headers = { authorization: `Bearer ${user}` }
    const response = await server().fetch(new Request('http://wire/sync', { method: 'POST', headers, body }))
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status} ${text}`)
    replies.push(text)
    const reply = parseSyncReply(JSON.parse(text))
    generation = reply.generation
    cursor = reply.cursor ?? cursor
    for (const { collection, columns, rows: changed, gone } of reply.changes) {
      const held = rowsOf(collection)
      for (const row of changed) held.set(String(row[0]), heldRow(columns, row))
      for (const { record, version } of gone) if ((held.get(record)?.version ?? 0) <= version) held.delete(record)
    }
    return reply
  }

  return {
    id: device,
    user,
    replies,
    write: (...writes) => {
      const id = parseTransactionId(v7())
      return writes.map((write, index) => {
        const operation = operationOf(write, { id, index, count: writes.length })
        written.push(operation)
        return operation
      })
    },
    sync: async (operations = [...written]) => {
      let reply = await round(operations)
      const { outcomes } = reply
      while (reply.more) reply = await round([])
      written.length = 0
      return operations.map(({ id }) => outcomes.find((outcome) => outcome.id === id) ?? null)
    },
    held: rowsOf,
  }
}

function heldRow(columns: readonly string[], row: readonly Json[]): HeldRow {
  const [, version, createdAt, updatedAt, ...values] = row
  const fields = Object.fromEntries(columns.slice(4).map((name, index) => [name, values[index] ?? null]))
  return { version: Number(version), values: { createdAt: Number(createdAt), updatedAt: Number(updatedAt), fields } }
}

/** What came of an operation, in few words: `applied`, `merged -stage`, `conflict ?note`, `rejected FORBIDDEN`, `none`. */
export function inWords(outcome: Outcome | null): string {
  if (outcome === null) return 'none'
  switch (outcome.kind) {
    case 'merged':
      return ['merged', ...outcome.dropped.map((name) => `-${name}`)].join(' ')
    case 'conflict':
      return ['conflict', ...outcome.fields.map((name) => `?${name}`)].join(' ')
    case 'rejected':
      return `rejected ${outcome.code}`
    default:
      return outcome.kind
  }
}
