/**
 * A worker's life: it waits for the lock of the database, then opens it and serves every tab, its own over its port and the others
 * over channels, until its tab ends or steps down.
 *
 *   waiting ──lock──► opening ──► leading ──stepDown──► closing ──► resting ──standUp──► waiting
 *                        └──failed──► (lock released) ──after a while──► waiting
 *
 * LD1  The database is opened only under the lock, and closed before the lock is released.
 * LD2  A tab is served from its `join` until its own lock falls free, which is when it is gone.
 * LD3  Nothing is answered while the engine closes: the next leader answers what is repeated to it.
 */
import type { RunningEngine } from '../engine.ts'
import type { Timers } from '../ports/ambient.ts'
import type { Leases } from '../ports/lease.ts'
import { type Connection, connect } from './host.ts'
import {
  type FromWorker,
  failureText,
  type Gossip,
  gossipChannel,
  type Leader,
  leaderLock,
  messagesVersion,
  parseGossip,
  parseToWorker,
  type Seat,
  type ToTab,
  tabChannel,
  tabLock,
} from './messages.ts'
import { createTokenDesk, type TokenDesk } from './token-desk.ts'

/** The subset of BroadcastChannel that is used. */
export interface Channel {
  postMessage(message: unknown): void
  onmessage: ((event: MessageEvent) => void) | null
  close(): void
}

export interface LeaderParts {
  readonly id: string
  readonly schemaVersion: number
  readonly leases: Leases
  readonly timers: Timers
  readonly openChannel: (name: string) => Channel
  /** To this worker's own tab. */
  readonly post: (message: FromWorker | ToTab) => void
  readonly openEngine: (seat: Seat, desk: TokenDesk) => Promise<RunningEngine>
}

/** A former leader's files are freed a moment after its lock; other faults of opening may pass as well. */
const reopenDelayMs = 1_000

export interface LeaderWorker {
  receive(data: unknown): void
}

export function createLeaderWorker(parts: LeaderParts): LeaderWorker {
  let seat: Seat | null = null
  let own: Connection | null = null
  let stepDown = () => {}

  async function stand(current: Seat): Promise<void> {
    const aborter = new AbortController()
    stepDown = () => aborter.abort()
    while (!aborter.signal.aborted) {
      const release = await parts.leases.acquire(leaderLock(current.database), aborter.signal).catch(() => null)
      if (release === null) return
      parts.post({ kind: 'opening' })
      try {
        await lead(current, aborter.signal)
      } catch (error) {
        parts.post({ kind: 'openFailed', failure: failureText(error) })
      } finally {
        release()
      }
      await new Promise<void>((resolve) => parts.timers.after(reopenDelayMs, resolve))
    }
  }

  /** Resolves when it leads no more and the database is closed. */
  async function lead(current: Seat, ended: AbortSignal): Promise<void> {
    const desk = createTokenDesk(parts.timers)
    const engine = await parts.openEngine(current, desk)
    const leader: Leader = { id: parts.id, messages: messagesVersion, schema: parts.schemaVersion }
    own = connect(engine, desk, parts.post)
    const followers = serveFollowers(parts, { seat: current, engine, desk, leader })
    parts.post({ kind: 'leading', leader })
    if (!ended.aborted) await new Promise((resolve) => ended.addEventListener('abort', resolve))
    own.end()
    own = null
    followers.end()
    await engine.close()
  }

  return {
    receive(data) {
      const order = parseToWorker(data)
      switch (order?.kind) {
        case 'open':
          seat = order.seat
          void stand(order.seat)
          return
        case 'stepDown':
          stepDown()
          return
        case 'standUp':
          if (seat !== null) void stand(seat)
          return
        case undefined:
          own?.receive(data)
      }
    },
  }
}

interface Service {
  readonly seat: Seat
  readonly engine: RunningEngine
  readonly desk: TokenDesk
  readonly leader: Leader
}

/** Opens a channel to each tab that joins, until the tab's lock falls free. */
function serveFollowers(parts: LeaderParts, { seat, engine, desk, leader }: Service): { end(): void } {
  const gossip = parts.openChannel(gossipChannel(seat.database))
  const followers = new Map<string, () => void>()
  const ending = new AbortController()

  function admit(tab: string): void {
    followers.get(tab)?.()
    const channel = parts.openChannel(tabChannel(seat.database, tab))
    const post = (message: ToTab) => channel.postMessage(message)
    const connection = connect(engine, desk, post)
    channel.onmessage = ({ data }) => connection.receive(data)
    followers.set(tab, () => {
      connection.end()
      channel.close()
    })
    post({ kind: 'joined', leader })
    // The tab holds this lock as long as it lives.
    parts.leases.acquire(tabLock(seat.database, tab), ending.signal).then(
      (release) => {
        release()
        followers.get(tab)?.()
        followers.delete(tab)
      },
      () => {}, // This worker leads no more.
    )
  }

  gossip.onmessage = ({ data }) => {
    const said: Gossip | null = parseGossip(data)
    if (said?.kind === 'join' && said.tab !== seat.tab) admit(said.tab)
  }
  gossip.postMessage({ kind: 'leads', leader } satisfies Gossip)
  return {
    end() {
      ending.abort()
      gossip.close()
      for (const leave of followers.values()) leave()
      followers.clear()
    },
  }
}
