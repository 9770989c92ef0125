/**
 * One request in flight: a batch that is marked as sending, and the answer that will come.
 */
import { type OperationId, syncRequestText } from '@holdfast/core'
import type { Timers } from '../ports/ambient.ts'
import type { Transport } from '../ports/transport.ts'
import type { Batch, Store } from '../store/store.ts'
import { type Attempt, progressMsMax, startAttempt } from './attempt.ts'

export interface Flight extends Attempt {
  readonly ids: readonly OperationId[]
  /** The same ids, by app transaction. */
  readonly units: Batch['units']
  readonly clock: Batch['clock']
  /** The one that was sent. */
  readonly cursor: string | null
}

export interface FlightPlan {
  readonly batch: Batch
  readonly cursor: string | null
  readonly pull: Batch['pull']
  readonly token: string
  readonly schemaVersion: number
}

/** The slowest link that a batch is meant to get through; the time for sending cannot be seen from here, so it is allowed for. */
const uploadBytesPerMs = 8

export function startFlight(
  { store, transport, timers }: { readonly store: Store; readonly transport: Transport; readonly timers: Timers },
  { batch, cursor, pull, token, schemaVersion }: FlightPlan,
): Flight {
  const body = syncRequestText({
    schema: schemaVersion,
    user: store.user,
    device: store.device,
    clock: batch.clock,
    cursor,
    pull,
    pending: batch.left,
    previousDevice: batch.previousDevice,
    operations: batch.operations,
  })
  const delayMs = progressMsMax + Math.round(body.length / uploadBytesPerMs)
  const attempt = startAttempt(timers, delayMs, (request) => transport.sync({ body, token, ...request }))
  return { ids: batch.ids, units: batch.units, clock: batch.clock, cursor, ...attempt }
}
