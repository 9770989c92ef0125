/**
 * Watches whether the feed goes on. A commit reaches no device while an older transaction that has written is open, anywhere in the
 * cluster; nothing else tells that, since everything is accepted meanwhile.
 *
 * FW1  A feed is stalled since the horizon was first seen where it is, while later commits wait above it; where none waits it is not.
 * FW2  A stall of `alarmMs` is told once with whom it waits for, again each minute, and once when it is over.
 */
import type { FeedHolder, ServerStore, StoreHealth } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'

export interface FeedState {
  readonly health: StoreHealth
  /** How long the horizon has not moved while later commits waited, in milliseconds. */
  readonly lagMs: number
}

export interface FeedWatch {
  /** Asks the database now. Throws when it does not answer. */
  look(): Promise<FeedState>
  close(): void
}

export interface FeedAlarm {
  stalled(lagMs: number, holder: FeedHolder | null): void
  moving(lagMs: number): void
}

/** How often the feed is looked at, and when a stall is told. */
const lookMs = 5_000
export const alarmMs = 5_000
const againMs = 60_000

export function watchFeed(
  store: Pick<ServerStore, 'health'>,
  system: Pick<System, 'nowMs' | 'after'>,
  alarm: FeedAlarm,
): FeedWatch {
  let since: { readonly horizon: number; readonly atMs: number } | null = null
  /** When the stall that lasts was told last; null: there is none. */
  let toldAtMs: number | null = null
  let lastLagMs = 0
  let isClosed = false
  let cancel = () => {}

  const look = async (): Promise<FeedState> => {
    const health = await store.health()
    const nowMs = system.nowMs()
    if (health.horizon >= health.head) since = null
    else if (since === null || since.horizon !== health.horizon) since = { horizon: health.horizon, atMs: nowMs }
    const lagMs = since === null ? 0 : Math.max(0, nowMs - since.atMs)
    tell(lagMs, health.holder, nowMs)
    return { health, lagMs }
  }

  const tell = (lagMs: number, holder: FeedHolder | null, nowMs: number): void => {
    if (lagMs >= alarmMs && (toldAtMs === null || nowMs - toldAtMs >= againMs)) {
      toldAtMs = nowMs
      alarm.stalled(lagMs, holder)
    } else if (lagMs < alarmMs && toldAtMs !== null) {
      toldAtMs = null
      alarm.moving(lastLagMs)
    }
    lastLagMs = lagMs
  }

  const beat = (): void => {
    if (isClosed) return
    cancel = system.after(lookMs, () => {
      // A database that does not answer is told by the requests that need it, and by /readyz.
      look().then(beat, beat)
    })
  }
  beat()

  return {
    look,
    close: () => {
      isClosed = true
      cancel()
    },
  }
}
