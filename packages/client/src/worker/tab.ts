/**
 * A tab's end: starts the tab's worker, finds who leads, and keeps the proxy's route pointing there.
 *
 *   own worker says 'leading' ──► route: the worker's port       (no further hop)
 *   leader says 'joined'      ──► route: this tab's channel
 *
 * TB1  A tab follows the leader that spoke last. Its own worker leads until another says that it does: there is one lock.
 * TB2  A tab that may be frozen lets go of the database first, so that others can lead.
 * TB3  [L-1] [L-5] Tabs of two versions do not work together, and the newer one has the database: an older one that leads gives way, and
 *      answers what was asked before; it writes nothing from then on, tells its person to reload, and leads no more. One that does not give way
 *      is said after a while.
 */
import { type DeviceId, EngineError, isObject } from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import type { DeviceMark } from '../vault/device-mark.ts'
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
  readonly mark: DeviceMark
  readonly ambient: Ambient
  readonly token: (fresh: boolean) => Promise<string | null>
  /** The database cannot be opened here, for now. */
  readonly onTrouble: (error: Error) => void
}

export async function openTab({ worker, seat, mark, ambient, token, onTrouble }: TabOptions): Promise<Tab> {
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

  // The lock is another's, who does not answer: a tab that hangs, or that the system has frozen.
  const stopWaiting = ambient.timers.after(silenceMsMax, () => {
    if (leader !== null || ending.signal.aborted) return
    engine.setTrouble(silentLeader)
    onTrouble(silentLeader)
  })

  const version = { messages: messagesVersion, schema: seat.schema }
  let isRetired = false

  /** A newer version of the app has the database, or is about to. */
  function retire(): void {
    isRetired = true
    order({ kind: 'stepDown' })
    engine.block(newerVersion)
    onTrouble(newerVersion)
  }

  /** What was asked before is answered: a worker closes the database when it has done that. */
  function giveWay(): void {
    if (isRetired) return
    isRetired = true
    order({ kind: 'stepDown' })
    ambient.timers.after(isLeading ? giveWayMs : 0, () => !ending.signal.aborted && retire())
  }

  let stopWaitingForOlder = () => {}

  function waitForOlder(): void {
    engine.setRoute(null)
    stopWaitingForOlder()
    stopWaitingForOlder = ambient.timers.after(silenceMsMax, () => {
      if (ending.signal.aborted) return
      engine.block(olderVersion)
      onTrouble(olderVersion)
    })
    gossip.postMessage({ kind: 'waits', ...version } satisfies Gossip)
  }

  function follow(next: Leader, post: (message: ToEngine) => void): void {
    leader = next
    stopWaiting()
    stopWaitingForOlder()
    if (isRetired || isNewer(next, version)) retire()
    else if (isNewer(version, next)) waitForOlder()
    else {
      engine.setRoute(post)
      engine.tell({ kind: 'tokenChanged' })
      tellPersisted()
    }
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
      case 'opening':
        stopWaiting()
        return
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
      case 'waits':
        if (isNewer(said, version)) giveWay()
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
    if (isRetired) return
    order({ kind: 'standUp' })
    join()
  }
  document.addEventListener('freeze', letGo, { signal })
  document.addEventListener('resume', takePart, { signal })
  addEventListener('pagehide', (event) => event.persisted && letGo(), { signal })
  addEventListener('pageshow', (event) => (event.persisted ? takePart() : undefined), { signal })

  let device: DeviceId | null = null
  engine.watch('device', null, (next) => {
    device = next
    if (next !== null) mark.write(next)
  })

  order({ kind: 'open', seat })
  // The leader takes a tab without its lock for dead.
  releaseTab = await leases.acquire(tabLock(seat.database, seat.tab), signal)
  join()
  if ('storage' in navigator && 'persisted' in navigator.storage) notePersisted(navigator.storage.persisted())

  return {
    engine: {
      ...engine,
      async ask(name, args) {
        // A mark without its database would say that the browser removed it.
        if (name === 'signOut') mark.clear()
        const answer = await engine.ask(name, args)
        if (name === 'signOut') {
          if (isKept(answer) && device !== null) mark.write(device)
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

function isKept(answer: unknown): boolean {
  return isObject(answer) && answer.kept !== 0
}

/** How long a tab that opens waits for the one that holds the lock, before it says so. */
const silenceMsMax = 4_000

/** How long an older tab that leads has for what was asked of it. */
const giveWayMs = 500

interface Version {
  readonly messages: number
  readonly schema: number
}

function isNewer(a: Version, b: Version): boolean {
  return a.schema === b.schema ? a.messages > b.messages : a.schema > b.schema
}

const newerVersion = new EngineError(
  'STORAGE_LOCKED',
  'another tab runs a newer version of the app and has the database; reload this tab.',
)
const olderVersion = new EngineError(
  'STORAGE_LOCKED',
  'another tab runs an older version of the app and holds the database; close it, or reload it.',
)
const silentLeader = new EngineError(
  'STORAGE_LOCKED',
  'another tab holds the database and does not answer; close or reload it.',
)
