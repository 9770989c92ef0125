/**
 * A tab's end: starts the tab's worker, finds who leads, and keeps the proxy's route pointing there.
 *
 *   own worker says 'leading' ──► route: the worker's port       (no further hop)
 *   leader says 'joined'      ──► route: this tab's channel
 *
 * TB1  A tab follows the leader that spoke last. Its own worker leads until another says that it does: there is one lock.
 * TB2  A tab that may be frozen lets go of the database first, so that others can lead.
 */
import { EngineError } from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import {
  errorOf,
  type Gossip,
  gossipChannel,
  type Leader,
  messagesVersion,
  parseFromWorker,
  parseGossip,
  parseToTab,
  type Seat,
  type ToEngine,
  type ToWorker,
  tabChannel,
  tabLock,
} from './messages.ts'
import { createEngineProxy, type EngineProxy } from './proxy.ts'
import { createWebLeases } from './web-locks.ts'

export interface Tab {
  readonly engine: EngineProxy
  /** Asks the browser, once, not to evict the data. */
  askPersistence(): void
}

export interface TabOptions {
  readonly worker: Worker
  readonly seat: Seat
  readonly ambient: Ambient
  readonly token: (fresh: boolean) => Promise<string | null>
  /** The database cannot be opened here, for now. */
  readonly onTrouble: (error: Error) => void
}

export async function openTab({ worker, seat, ambient, token, onTrouble }: TabOptions): Promise<Tab> {
  const ending = new AbortController()
  const leases = createWebLeases()
  let releaseTab = () => {}
  const gossip = new BroadcastChannel(gossipChannel(seat.database))
  const channel = new BroadcastChannel(tabChannel(seat.database, seat.tab))
  let leader: Leader | null = null
  let persisted: boolean | null = null
  let persistenceAsked = false

  const engine = createEngineProxy({
    clock: ambient.clock,
    timers: ambient.timers,
    token,
    onProblem: (error) => reportError(error),
    onClose: async () => end(new EngineError('CLOSED', 'the client was closed.')),
  })

  function end(reason: Error): void {
    ending.abort()
    engine.fail(reason)
    worker.terminate()
    gossip.close()
    channel.close()
    releaseTab()
  }

  function order(message: ToWorker): void {
    worker.postMessage(message)
  }

  function follow(next: Leader, post: (message: ToEngine) => void): void {
    leader = next
    if (next.messages !== messagesVersion || next.schema !== seat.schema) {
      engine.setRoute(null)
      engine.setTrouble(otherVersion)
      onTrouble(otherVersion)
      return
    }
    engine.setRoute(post)
    engine.tell({ kind: 'tokenChanged' })
    tellPersisted()
  }

  function tellPersisted(): void {
    if (persisted !== null) engine.tell({ kind: 'persisted', persisted })
  }

  function notePersisted(answer: Promise<boolean>): void {
    answer.then(
      (value) => {
        persisted = value
        tellPersisted()
      },
      () => {}, // A browser that does not want to say: stays unknown.
    )
  }

  let isLeading = false
  worker.onmessage = ({ data }: MessageEvent<unknown>) => {
    const said = parseFromWorker(data)
    switch (said?.kind) {
      case 'leading':
        isLeading = true
        follow(said.leader, (message) => worker.postMessage(message))
        return
      case 'openFailed': {
        const error = errorOf(said.failure)
        engine.setTrouble(error)
        onTrouble(error)
        return
      }
      case undefined:
        engine.receive(data)
    }
  }
  worker.onerror = (event) => {
    if (leader !== null) return // An error of a worker that runs; the browser reports it as uncaught.
    event.preventDefault() // It is told here.
    const error = new EngineError(
      'STORAGE_FAILED',
      `the worker does not run: ${event.message ?? 'it could not be loaded'}.`,
    )
    engine.setTrouble(error)
    onTrouble(error)
  }
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    const said = parseToTab(data)
    if (said?.kind !== 'joined') engine.receive(data)
    else if (!isLeading) follow(said.leader, (message) => channel.postMessage(message))
  }
  gossip.onmessage = ({ data }: MessageEvent<unknown>) => {
    const said = parseGossip(data)
    switch (said?.kind) {
      case 'leads':
        if (said.leader.id === leader?.id) return
        isLeading = false // The lock is another's: whoever led here is dead.
        join()
        return
      case 'signedOut':
        end(new EngineError('CLOSED', 'the user signed out in another tab.'))
        return
      case 'join':
      case undefined:
        return
    }
  }

  function join(): void {
    gossip.postMessage({ kind: 'join', tab: seat.tab } satisfies Gossip)
  }

  const { signal } = ending
  document.addEventListener(
    'visibilitychange',
    () => document.visibilityState === 'visible' && engine.tell({ kind: 'foreground' }),
    { signal },
  )
  // A worker that only waits steps down as well: frozen, it would be given the lock and do nothing with it.
  const letGo = () => {
    order({ kind: 'stepDown' })
    isLeading = false
    leader = null
    engine.setRoute(null)
  }
  const takePart = () => {
    order({ kind: 'standUp' })
    join()
  }
  document.addEventListener('freeze', letGo, { signal })
  document.addEventListener('resume', takePart, { signal })
  addEventListener('pagehide', (event) => event.persisted && letGo(), { signal })
  addEventListener('pageshow', (event) => (event.persisted ? takePart() : undefined), { signal })

  order({ kind: 'open', seat })
  // The leader takes a tab without its lock for dead.
  releaseTab = await leases.acquire(tabLock(seat.database, seat.tab), signal)
  join()
  if ('storage' in navigator && 'persisted' in navigator.storage) notePersisted(navigator.storage.persisted())

  return {
    engine: {
      ...engine,
      async ask(name, args) {
        const answer = await engine.ask(name, args)
        if (name === 'signOut') {
          gossip.postMessage({ kind: 'signedOut' } satisfies Gossip)
          end(new EngineError('CLOSED', 'the user signed out.'))
        }
        return answer
      },
    },
    askPersistence() {
      if (persistenceAsked || !('storage' in navigator) || !('persist' in navigator.storage)) return
      persistenceAsked = true
      notePersisted(navigator.storage.persist())
    },
  }
}

const otherVersion = new EngineError(
  'STORAGE_LOCKED',
  'another tab runs another version of the app and holds the database.',
)
