/**
 * Operations that the server has not settled although it settles others: sent again by themselves, while the rest goes on. Pure.
 *
 * SA1  Each waits by a backoff of its own, counted in its own attempts; it is never dropped.
 * SA2  What was answered with a failure as a whole (a status) is sent alone from then on: it must not fail its neighbours.
 * SA3  However many wait, a retry that fails makes the others rest for a second.
 * SA4  What our server fails alone, while it serves the next request, has failed once for itself. Such failures are counted in the outbox,
 *      over restarts; after eight the operation is parked in the inbox. Trouble that others have as well, being offline, signed out
 *      or asked to come later, a proxy, a server that is older than the app, and one that was
 *      restored and waits for what others bring back count for nothing.
 */
import type { OperationId } from '@holdfast/core'
import type { Random } from '../ports/ambient.ts'
import { backoffMs } from './backoff.ts'
import type { Fault } from './failure.ts'

export interface Waiting {
  readonly attempts: number
  /** By the monotonic clock; a wall clock that is set back must not put it off. */
  readonly dueMs: number
  /** The same by the wall clock, for people. */
  readonly retryAtMs: number
  readonly isAlone: boolean
  readonly fault: Fault
}

export type SetAside = ReadonlyMap<OperationId, Waiting>

export const nothingAside: SetAside = new Map()

export interface AsideContext {
  readonly random: Pick<Random, 'next'>
  readonly monotonicMs: number
  readonly nowMs: number
}

const restMs = 1_000

/** @param how isAlone: the whole request failed, and not only these lack an outcome. */
export function putAside(
  aside: SetAside,
  ids: readonly OperationId[],
  how: { readonly fault: Fault; readonly isAlone: boolean },
  context: AsideContext,
): SetAside {
  if (ids.length === 0) return aside
  const attempts = 1 + Math.max(0, ...ids.map((id) => aside.get(id)?.attempts ?? 0))
  // One delay for all of them: what hangs on another of them is due together with it.
  const waiting = { ...how, attempts, ...after(backoffMs(attempts, context.random), context) }
  const isRetry = ids.some((id) => aside.has(id))
  const others = isRetry ? rested(aside, [...aside.keys()], context) : aside
  return new Map([...others, ...ids.map((id) => [id, waiting] as const)])
}

/** Those of `ids` are due in a second at the earliest. */
export function rested(aside: SetAside, ids: readonly OperationId[], context: AsideContext): SetAside {
  const next = new Map(aside)
  for (const id of ids) {
    const one = aside.get(id)
    if (one !== undefined && one.dueMs < context.monotonicMs + restMs)
      next.set(id, { ...one, ...after(restMs, context) })
  }
  return next
}

/** Somebody asks, or the network is another one: no backoff holds. */
export function allDue(aside: SetAside, { monotonicMs, nowMs }: Omit<AsideContext, 'random'>): SetAside {
  return new Map([...aside].map(([id, one]) => [id, { ...one, dueMs: monotonicMs, retryAtMs: nowMs }]))
}

export function keepOnly(aside: SetAside, ids: readonly OperationId[]): SetAside {
  const kept = new Set(ids)
  return new Map([...aside].filter(([id]) => kept.has(id)))
}

/** What the next retry takes: one that has to go alone, or all that may go together. */
export function dueIds(aside: SetAside, monotonicMs: number): readonly OperationId[] {
  const due = [...aside].filter(([, { dueMs }]) => dueMs <= monotonicMs)
  const first = due[0]
  if (first === undefined) return []
  return first[1].isAlone ? [first[0]] : due.filter(([, { isAlone }]) => !isAlone).map(([id]) => id)
}

/** The one that is tried next; null when nothing is set aside. */
export function nextDue(aside: SetAside): Waiting | null {
  return [...aside.values()].reduce<Waiting | null>(
    (next, one) => (next === null || one.dueMs < next.dueMs ? one : next),
    null,
  )
}

function after(delayMs: number, { monotonicMs, nowMs }: AsideContext): Pick<Waiting, 'dueMs' | 'retryAtMs'> {
  return { dueMs: monotonicMs + delayMs, retryAtMs: nowMs + delayMs }
}
