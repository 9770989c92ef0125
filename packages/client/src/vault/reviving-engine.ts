/**
 * An engine that outlives its database: when the file turns out to be broken, the engine over it is closed and another one, over a new
 * database, takes its place. Callers see one engine.
 *
 *   alive ──broken──► reviving ──► alive
 *                         └─failed──► down ──next call, or after a while──► reviving   [L-1]
 */
import { EngineError } from '@holdfast/core'
import type { Answers, CallName, Calls, RunningEngine, Watched, Watches, WatchName } from '../engine.ts'
import type { Timers } from '../ports/ambient.ts'
import { isCorrupt } from './watchful-driver.ts'

/** Opens the database and starts an engine over it. `onCorrupt`: its file is broken; may be called often. */
export type OpenEngine = (onCorrupt: () => void) => Promise<RunningEngine>

export interface RevivingParts {
  readonly open: OpenEngine
  /** Puts the broken database out of the way; answers how to open what takes its place. */
  readonly setAside: () => Promise<OpenEngine>
  readonly timers: Timers
  /** Told why the database did not come back. */
  readonly report: (problem: unknown) => void
}

interface OpenWatch {
  readonly begin: (engine: RunningEngine) => void
  end: () => void
}

/** A file that breaks again and again while one call is made is not the call's affair any more. */
const attemptsMax = 3
/** A disk that is full, a file that another process holds: what passes, passes within seconds or minutes. */
const retryMs = 5_000

export async function createRevivingEngine(parts: RevivingParts): Promise<RunningEngine> {
  let life = 0
  let engine: RunningEngine | null = null
  let reopen: OpenEngine | null = null
  let reviving: Promise<RunningEngine> | null = null
  let closing: Promise<void> | null = null
  let persisted: boolean | null = null
  const watches = new Set<OpenWatch>()

  /** Only the first word of the engine that is alive counts. */
  function corruptIn(born: number): () => void {
    return () => {
      if (born === life && engine !== null) tryToRevive()
    }
  }

  /** Nobody may call for a long time; watches are to go on all the same. */
  function tryToRevive(): void {
    revive().catch((error) => {
      if (closing !== null) return
      parts.report(error)
      parts.timers.after(retryMs, () => {
        if (engine === null && closing === null) tryToRevive()
      })
    })
  }

  function revive(): Promise<RunningEngine> {
    reviving ??= bringBack().finally(() => {
      reviving = null
    })
    return reviving
  }

  async function bringBack(): Promise<RunningEngine> {
    const broken = engine
    engine = null
    life += 1
    // The call that met the broken file ends first.
    await Promise.resolve()
    await broken?.close().catch(() => {}) // What is broken may not close in order either.
    reopen ??= await parts.setAside()
    if (closing !== null) throw closed()
    const next = await reopen(corruptIn(life))
    reopen = null
    engine = next
    if (persisted !== null) next.setPersisted(persisted)
    for (const watch of watches) watch.begin(next)
    return next
  }

  function alive(): RunningEngine | Promise<RunningEngine> {
    if (closing !== null) throw closed()
    return engine ?? revive()
  }

  async function ask<K extends CallName>(name: K, args: Calls[K]): Promise<Answers[K]> {
    for (let attempt = 1; ; attempt += 1) {
      const asked = alive()
      const current = asked instanceof Promise ? await asked : asked
      try {
        return await current.ask(name, args)
      } catch (error) {
        const isOver = isCorrupt(error) || (isClosed(error) && current !== engine)
        if (!isOver || attempt === attemptsMax) throw error
      }
    }
  }

  function watch<K extends WatchName>(name: K, args: Watches[K], listener: (value: Watched[K]) => void): () => void {
    const open: OpenWatch = {
      begin(current) {
        try {
          open.end = current.watch(name, args, listener)
        } catch (error) {
          if (!isCorrupt(error)) throw error // Otherwise it begins with the next engine.
        }
      },
      end: () => {},
    }
    watches.add(open)
    if (engine !== null) open.begin(engine)
    return () => {
      watches.delete(open)
      open.end()
    }
  }

  async function end(): Promise<void> {
    const last = engine ?? (await reviving?.catch(() => null)) ?? null
    await last?.close()
  }

  engine = await parts.open(corruptIn(life))
  return {
    ask,
    watch,
    close: () => {
      closing ??= end()
      return closing
    },
    foreground: () => engine?.foreground(),
    tokenChanged: () => engine?.tokenChanged(),
    setPersisted(value) {
      persisted = value
      engine?.setPersisted(value)
    },
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'CLOSED'
}

function closed(): EngineError {
  return new EngineError('CLOSED', 'the client was closed.')
}
