/**
 * The poke hub: tells the devices that listen that there is something to pull. A poke carries no data, so a lost one costs
 * time and never a row. One hub per process: commits of other processes over the same database are not announced here.
 *
 * PK1  After a commit, every listener that holds a touched scope is poked, except the device that made the commit.
 * PK2  If the store's horizon had not passed the commit yet, the same listeners are poked again when it has: the first pull
 *      may have come too early.
 */
import type { Scope } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'

export interface Listener {
  readonly device: string | null
  readonly scopes: readonly Scope[]
  poke(): void
}

export interface Commit {
  readonly place: number
  readonly scopes: ReadonlySet<Scope>
  /** The device that need not be told. */
  readonly device: string | null
}

export interface PokeHub {
  /** Answers a function that ends the listening. */
  listen(listener: Listener): () => void
  announce(commit: Commit): void
  /** The last commit that was announced. */
  announced(): number
  close(): void
}

export function createPokeHub(horizon: () => Promise<number>, system: System): PokeHub {
  const listeners = new Map<Scope, Set<Listener>>()
  let waiting: Commit[] = []
  let announced = 0
  let cancel: (() => void) | null = null
  let isClosed = false

  const poke = (commit: Commit): void => {
    const poked = new Set<Listener>()
    for (const scope of commit.scopes) {
      for (const listener of listeners.get(scope) ?? []) {
        if (listener.device === null || listener.device !== commit.device) poked.add(listener)
      }
    }
    for (const listener of poked) listener.poke()
  }

  const watchHorizon = (delayMs: number): void => {
    if (cancel !== null || isClosed || waiting.length === 0) return
    cancel = system.after(delayMs, () => {
      cancel = null
      void passHorizon(delayMs)
    })
  }

  const passHorizon = async (delayMs: number): Promise<void> => {
    // A store that does not answer now is asked again: the commits still wait.
    const passed = await horizon().catch(() => 0)
    const ready = waiting.filter((commit) => commit.place <= passed)
    waiting = waiting.filter((commit) => commit.place > passed)
    for (const commit of ready) poke({ ...commit, device: null })
    watchHorizon(Math.min(delayMs * 2, horizonDelayMsMax))
  }

  return {
    listen: (listener) => {
      for (const scope of listener.scopes) {
        const held = listeners.get(scope) ?? new Set()
        listeners.set(scope, held.add(listener))
      }
      return () => {
        for (const scope of listener.scopes) {
          const held = listeners.get(scope)
          held?.delete(listener)
          if (held?.size === 0) listeners.delete(scope)
        }
      }
    },

    announce: (commit) => {
      announced = Math.max(announced, commit.place)
      poke(commit)
      void horizon()
        .catch(() => 0)
        .then((passed) => {
          if (passed >= commit.place) return
          waiting.push(commit)
          watchHorizon(horizonDelayMsMin)
        })
    },

    announced: () => announced,

    close: () => {
      isClosed = true
      cancel?.()
      waiting = []
      listeners.clear()
    },
  }
}

const horizonDelayMsMin = 20
const horizonDelayMsMax = 1_000
