/**
 * One request in flight: a batch that is marked as sending, and the answer that will come. It always ends: by the answer, by
 * `abort`, or when nothing has moved for too long.
 */
import { type OperationId, syncRequestText } from '@holdfast/core'
import type { Timers } from '../ports/ambient.ts'
import type { SyncAnswer, Transport } from '../ports/transport.ts'
import type { Batch, Store } from '../store/store.ts'
import { createDeadline } from './deadline.ts'

export interface Flight {
  readonly ids: readonly OperationId[]
  /** The same ids, by app transaction. */
  readonly units: Batch['units']
  readonly clock: Batch['clock']
  readonly answer: Promise<SyncAnswer>
  abort(): void
}

export interface FlightPlan {
  readonly batch: Batch
  readonly cursor: string | null
  readonly token: string
  readonly schemaVersion: number
}

export const progressMsMax = 30_000
/** The slowest link that a batch is meant to get through; the time for sending cannot be seen from here, so it is allowed for. */
const uploadBytesPerMs = 8

export function startFlight(
  { store, transport, timers }: { readonly store: Store; readonly transport: Transport; readonly timers: Timers },
  { batch, cursor, token, schemaVersion }: FlightPlan,
): Flight {
  const body = syncRequestText({
    schema: schemaVersion,
    user: store.user,
    device: store.device,
    clock: batch.clock,
    cursor,
    pull: 'page',
    pending: batch.left,
    previousDevice: batch.previousDevice,
    operations: batch.operations,
  })
  const aborter = new AbortController()
  const delayMs = progressMsMax + Math.round(body.length / uploadBytesPerMs)
  const late: SyncAnswer = { kind: 'unreachable', problem: `the server has not moved for ${delayMs} ms.` }
  let passed = () => {}
  const timedOut = new Promise<SyncAnswer>((resolve) => {
    passed = () => resolve(late)
  })
  const deadline = createDeadline(timers, delayMs, () => {
    passed()
    aborter.abort()
  })
  const sent = transport.sync({ body, token, signal: aborter.signal, onProgress: () => deadline.touch() })
  return {
    ids: batch.ids,
    units: batch.units,
    clock: batch.clock,
    // The race is ours and not the transport's: it holds even over one that ignores its signal.
    answer: Promise.race([sent, timedOut]).finally(() => deadline.clear()),
    abort: () => {
      passed()
      aborter.abort()
    },
  }
}
