/**
 * A gate that lets so many through at a time. The others wait outside, those of the first rank first, for a time.
 *
 * GA1  Never more than `runningMax` are inside.
 * GA2  Who waits is let in by rank, then in the order of arrival.
 * GA3  Nobody waits longer than `waitMsMax`, and not more than `waitingMax` wait: the others are told OVERLOADED at once. Those who are
 *      patient are not counted and wait as long as it takes: somebody else bounds them.
 */
import { EngineError } from '@holdfast/core'
import type { System } from '../ports/system.ts'

export interface Gate {
  pass<T>(work: () => Promise<T>, options?: GatePass): Promise<T>
}

export interface GatePass {
  /** 0 goes first; 0 when it is left out. */
  readonly rank?: number
  readonly isPatient?: boolean
}

export interface GateOptions {
  readonly runningMax: number
  readonly waitingMax: number
  readonly waitMsMax: number
}

interface Waiter {
  readonly rank: number
  readonly isPatient: boolean
  readonly enter: () => void
}

export function createGate({ runningMax, waitingMax, waitMsMax }: GateOptions, system: Pick<System, 'after'>): Gate {
  let running = 0
  let impatient = 0
  const waiting = new Set<Waiter>()

  const letIn = (waiter: Waiter): void => {
    waiting.delete(waiter)
    if (!waiter.isPatient) impatient -= 1
    running += 1
    waiter.enter()
  }

  const leave = (): void => {
    running -= 1
    let next: Waiter | null = null
    for (const waiter of waiting) if (next === null || waiter.rank < next.rank) next = waiter
    if (next !== null) letIn(next)
  }

  const turn = (rank: number, isPatient: boolean): Promise<void> => {
    if (running < runningMax) {
      running += 1
      return Promise.resolve()
    }
    if (!isPatient && impatient >= waitingMax) return Promise.reject(overloaded())
    return new Promise((resolve, reject) => {
      let cancel: () => void = () => undefined
      const waiter: Waiter = {
        rank,
        isPatient,
        enter: () => {
          cancel()
          resolve()
        },
      }
      waiting.add(waiter)
      if (isPatient) return
      impatient += 1
      cancel = system.after(waitMsMax, () => {
        waiting.delete(waiter)
        impatient -= 1
        reject(overloaded())
      })
    })
  }

  return {
    pass: async (work, { rank = 0, isPatient = false } = {}) => {
      await turn(rank, isPatient)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}

function overloaded(): EngineError {
  return new EngineError('OVERLOADED', 'The server has as much to do as it takes on.')
}
