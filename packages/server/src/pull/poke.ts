/**
 * The poke hub: tells the devices that listen at this process that there is something to pull, whoever committed it: this process,
 * another one, or another program (see ports/broker.ts). A poke carries no data, so a lost one costs time and never a row.
 *
 * PK1  After a commit, every listener is poked that holds a scope in which somebody else than its own device changed something.
 * PK2  If the store's horizon had not passed the commit yet, the listeners of its scopes are poked again when it has: the first pull
 *      may have come too early. What is kept for that is bounded by the scopes that somebody listens to.
 * PK3  A commit that touches many is told to them over up to 2 s, in an order of chance, each once for all commits of that time; one
 *      that touches few is told at once.
 * PK4  [I-9] When the database has another life, what was announced before is of one that is lost, and nobody waits for it; all are poked, so that
 *      they find out.
 */
import type { Announcement, Broker } from '../ports/broker.ts'
import type { Scope } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'

export interface Listener {
  readonly device: string | null
  readonly scopes: readonly Scope[]
  poke(): void
}

export interface Commit {
  readonly place: number
  /** The scopes in which something changed, each with the only device that changed it and need not be told; null: tell all. */
  readonly touched: ReadonlyMap<Scope, string | null>
}

export interface PokeHub {
  /** Answers a function that ends the listening. */
  listen(listener: Listener): () => void
  /** Tells of a commit of this process, here and to the others. */
  announce(commit: Commit): void
  /** The last commit that was announced, by any process. */
  announced(): number
  /** The database has another life (PK4). */
  startOver(): void
  close(): void
}

export interface PokePorts {
  /** Up to which commit every commit is visible. */
  readonly horizon: () => Promise<number>
  readonly broker: Broker
  readonly system: System
}

interface Beyond {
  readonly place: number
  readonly scopes: readonly Scope[]
}

export function createPokeHub({ horizon, broker, system }: PokePorts): PokeHub {
  const listeners = new Map<Scope, Set<Listener>>()
  const round = createPokeRound(system)
  /** Announced since the horizon was last asked for. */
  let fresh: Beyond[] = []
  const awaited = createAwaited()
  let announced = 0
  let isWatching = false
  let cancel: () => void = () => undefined
  let isClosed = false

  const poke = (touched: Iterable<readonly [Scope, string | null]>): void => {
    const poked = new Set<Listener>()
    for (const [scope, device] of touched) {
      for (const listener of listeners.get(scope) ?? []) {
        if (listener.device === null || listener.device !== device) poked.add(listener)
      }
    }
    round.poke(poked)
  }

  const take = (place: number, touched: readonly (readonly [Scope, string | null])[]): void => {
    announced = Math.max(announced, place)
    const held = touched.filter(([scope]) => listeners.has(scope))
    if (held.length === 0) return
    poke(held)
    fresh.push({ place, scopes: held.map(([scope]) => scope) })
    if (!isWatching) void watch(horizonDelayMsMin)
  }

  const hear = ({ place, scopes, device }: Announcement): void => {
    take(
      place,
      (scopes === 'any' ? [...listeners.keys()] : scopes).map((scope) => [scope, device]),
    )
  }

  const watch = async (delayMs: number): Promise<void> => {
    isWatching = true
    const now = fresh
    fresh = []
    // A store that does not answer now is asked again: the commits still wait.
    const passed = await horizon().catch(() => 0)
    const ready = awaited.pass(passed)
    if (ready.length > 0) poke(ready.map((scope) => [scope, null]))
    for (const { place, scopes } of now) {
      if (place > passed) awaited.add(place, scopes)
    }
    if (isClosed || (awaited.isEmpty() && fresh.length === 0)) {
      isWatching = false
      return
    }
    const nextMs = ready.length > 0 || now.length > 0 ? horizonDelayMsMin : Math.min(delayMs * 2, horizonDelayMsMax)
    cancel = system.after(nextMs, () => void watch(nextMs))
  }

  const unhear = broker.listen(hear)

  return {
    listen: (listener) => {
      for (const scope of listener.scopes) {
        const held = listeners.get(scope) ?? new Set()
        listeners.set(scope, held.add(listener))
      }
      return () => {
        round.forget(listener)
        for (const scope of listener.scopes) {
          const held = listeners.get(scope)
          held?.delete(listener)
          if (held?.size === 0) listeners.delete(scope)
        }
      }
    },
    announce: ({ place, touched }) => {
      for (const [device, part] of Map.groupBy(touched, ([, device]) => device)) {
        broker.publish({ place, scopes: part.map(([scope]) => scope), device })
      }
      take(place, [...touched])
    },
    announced: () => announced,
    startOver: () => {
      announced = 0
      poke([...listeners.keys()].map((scope) => [scope, null]))
    },
    close: () => {
      isClosed = true
      unhear()
      cancel()
      round.close()
      fresh = []
      listeners.clear()
    },
  }
}

const horizonDelayMsMin = 20
const horizonDelayMsMax = 1_000

/** The commits beyond the horizon, by scope: of each the place that is waited for, and the last one besides. */
interface Awaited {
  add(place: number, scopes: readonly Scope[]): void
  /** Takes out what this horizon has passed, and answers its scopes. */
  pass(horizon: number): readonly Scope[]
  isEmpty(): boolean
}

function createAwaited(): Awaited {
  const places = new Map<Scope, { readonly next: number; readonly last: number }>()
  return {
    add: (place, scopes) => {
      for (const scope of scopes) {
        const known = places.get(scope) ?? { next: place, last: place }
        places.set(scope, { next: Math.min(known.next, place), last: Math.max(known.last, place) })
      }
    },
    pass: (horizon) => {
      const passed = [...places].filter(([, { next }]) => next <= horizon)
      for (const [scope, { last }] of passed) {
        if (last <= horizon) places.delete(scope)
        else places.set(scope, { next: last, last })
      }
      return passed.map(([scope]) => scope)
    },
    isEmpty: () => places.size === 0,
  }
}

/** PK3: who is to be poked, spread over time when they are many. */
interface PokeRound {
  poke(listeners: ReadonlySet<Listener>): void
  forget(listener: Listener): void
  close(): void
}

function createPokeRound(system: System): PokeRound {
  /** In which tick from now each is poked. */
  const due = new Map<Listener, number>()
  let tick = 0
  let cancel: (() => void) | null = null

  const turn = (): void => {
    tick += 1
    for (const [listener, at] of due) {
      if (at > tick) continue
      due.delete(listener)
      listener.poke()
    }
    cancel = due.size === 0 ? null : system.after(tickMs, turn)
  }

  return {
    poke: (listeners) => {
      const waiting = [...listeners].filter((listener) => !due.has(listener))
      if (waiting.length <= atOnceMax) {
        for (const listener of waiting) listener.poke()
        return
      }
      const ticks = Math.min(Math.ceil((waiting.length * msPerListener) / tickMs), spreadMsMax / tickMs)
      const chance = system.randomBytes(waiting.length)
      for (const [index, listener] of waiting.entries()) {
        due.set(listener, tick + 1 + Math.floor(((chance[index] ?? 0) / 256) * ticks))
      }
      cancel ??= system.after(tickMs, turn)
    },
    forget: (listener) => void due.delete(listener),
    close: () => {
      cancel?.()
      due.clear()
    },
  }
}

/** So many pulls at a time are no storm. */
const atOnceMax = 32
const msPerListener = 2
const spreadMsMax = 2_000
const tickMs = 25
