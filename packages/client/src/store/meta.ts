/**
 * What the store knows of itself: a few values in memory, each a row of `_meta`. They change in memory first and are saved in
 * the transaction of the change; a transaction that fails puts the old ones back.
 *
 * A write saves nothing here: its sequence number, its stamp and its clock epoch are in the operation that it writes. Every
 * transaction that takes operations out of the outbox saves them, so that they outlive the operations.
 */
import {
  type ClockEpochs,
  type EarlierEpoch,
  type Generation,
  type Hlc,
  hlcZero,
  isObject,
  noEpochs,
  parseGeneration,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { parseLoad, type SnapshotLoad } from './snapshot-load.ts'
import type { Completeness } from './store.ts'

export interface ClockState extends ClockEpochs {
  /** The last sequence number that was given. */
  readonly seq: number
  readonly hlc: Hlc
}

export interface MetaState {
  readonly clock: ClockState
  readonly generation: Generation | null
  readonly cursor: string | null
  /** The cursor after the staged pages; null when none is staged. */
  readonly stagedCursor: string | null
  /** What is being loaded; null: nothing. */
  readonly snapshot: SnapshotLoad | null
  readonly completeness: Completeness
  /** Everything is pulled anew, to find what has gone; see differing.ts. */
  readonly differing: boolean
  readonly lastSyncedAt: number | null
}

export interface Meta {
  readonly state: MetaState
  set(change: Partial<MetaState>): void
  /** Writes what differs from what was saved last; only inside a transaction. */
  save(): void
  /** Answers what puts the state back as it is now. */
  remember(): () => void
}

const keys = [
  'clock',
  'generation',
  'cursor',
  'stagedCursor',
  'snapshot',
  'completeness',
  'differing',
  'lastSyncedAt',
] as const

export function createMeta(driver: SqliteDriver): Meta {
  const stored = new Map(driver.all(selectMeta).map(([key, value]) => [String(key), String(value)]))
  let state = withOutbox(parseMeta(stored), driver)
  let saved: ReadonlyMap<string, string> = stored

  return {
    get state() {
      return state
    },
    set: (change) => {
      state = { ...state, ...change }
    },
    save: () => {
      const now = new Map(keys.map((key) => [key, JSON.stringify(state[key])]))
      const changed = [...now].filter(([key, value]) => saved.get(key) !== value)
      if (changed.length > 0) driver.run(upsertMeta, [JSON.stringify(changed)])
      saved = now
    },
    remember: () => {
      const before = { state, saved }
      return () => {
        state = before.state
        saved = before.saved
      }
    },
  }
}

export function readMeta(driver: SqliteDriver, key: string): string | null {
  const value = driver.all(selectMetaByKey, [key])[0]?.[0]
  return value === undefined ? null : String(value)
}

export function writeMeta(driver: SqliteDriver, key: string, value: string): void {
  driver.run(upsertMeta, [JSON.stringify([[key, value]])])
}

/** The last operation may be younger than the last save. */
function withOutbox(state: MetaState, driver: SqliteDriver): MetaState {
  const text = driver.all(selectLastOperation)[0]?.[0]
  if (typeof text !== 'string') return state
  const operation: unknown = JSON.parse(text)
  if (!isObject(operation) || !isObject(operation.time)) return state
  const seq = Number(operation.seq)
  const epoch = Number(operation.time.epoch)
  if (seq <= state.clock.seq) return state
  // Epochs are saved when they begin. An operation of an earlier one is the retry of a refused one: its stamp is not the last.
  const hlc = epoch === state.clock.epoch ? parseHlc(operation.time.hlc) : state.clock.hlc
  return { ...state, clock: { ...state.clock, seq, hlc } }
}

function parseMeta(stored: ReadonlyMap<string, string>): MetaState {
  const value = (key: (typeof keys)[number]): unknown => {
    const text = stored.get(key)
    return text === undefined ? null : JSON.parse(text)
  }
  const clock = value('clock')
  const generation = value('generation')
  const completeness = value('completeness')
  const lastSyncedAt = value('lastSyncedAt')
  return {
    clock: isObject(clock)
      ? {
          seq: Number(clock.seq),
          hlc: parseHlc(clock.hlc),
          ...parseEpoch(clock),
          earlier: Array.isArray(clock.earlier) ? clock.earlier.filter(isObject).map(parseEpoch) : [],
        }
      : { seq: 0, hlc: hlcZero, ...noEpochs },
    generation: generation === null ? null : parseGeneration(generation),
    cursor: parseCursor(value('cursor')),
    stagedCursor: parseCursor(value('stagedCursor')),
    snapshot: parseLoad(value('snapshot')),
    completeness: completeness === 'partial' || completeness === 'complete' ? completeness : 'empty',
    differing: value('differing') === true,
    lastSyncedAt: typeof lastSyncedAt === 'number' ? lastSyncedAt : null,
  }
}

function parseCursor(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function parseEpoch(value: { readonly [member: string]: unknown }): EarlierEpoch {
  return { epoch: Number(value.epoch), offsetMs: Number(value.offsetMs), isMeasured: value.isMeasured === true }
}

function parseHlc(value: unknown): Hlc {
  if (Array.isArray(value)) return { ms: Number(value[0]), counter: Number(value[1]) }
  return isObject(value) ? { ms: Number(value.ms), counter: Number(value.counter) } : hlcZero
}

const selectMeta = 'select key, value from _meta'
const selectMetaByKey = 'select value from _meta where key = ?'
const upsertMeta = `insert into _meta (key, value) select value ->> 0, value ->> 1 from json_each(?) where true
on conflict (key) do update set value = excluded.value`
const selectLastOperation = 'select operation from _outbox order by seq desc limit 1'
