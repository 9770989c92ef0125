/**
 * The stream of pokes: opened after a round that went well, closed whenever sync waits or pauses.
 *
 *   closed ──open──► connected ──end, silence──► resting ──timer──► connected
 *
 * PS1  It is opened at most once per backoff slot, so that a proxy which cuts it does not cause a hot loop.
 * PS2  A stream on which nothing came for 60 s, not even a heartbeat, is taken for dead.
 * PS3  A stream that begins counts as a poke: what was committed between the last pull and its beginning was told to nobody.
 * PS4  One that ends before it began is told as lost too: a network that goes while nothing is open must be noticed.
 */
import type { Ambient } from '../ports/ambient.ts'
import type { PokeEnding, PokeRequest, Transport } from '../ports/transport.ts'
import { backoffMs } from './backoff.ts'

export interface PokeStream {
  /** Keeps a stream open until `close`. */
  open(request: PokeRequest): void
  close(): void
}

export interface PokeStreamListener {
  onPoke(): void
  /** A stream is gone, or could not begin: perhaps the server is gone, and pokes may have been missed. */
  onLost(): void
}

export const silenceMsMax = 60_000
/** A stream that lived this long was a good one: the next failure counts as the first. */
const goodMsMin = 30_000

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'connected'; readonly disconnect: () => void }
  | { readonly kind: 'resting'; readonly cancel: () => void }

export function createPokeStream(
  transport: Pick<Transport, 'openPokes'>,
  ambient: Ambient,
  listener: PokeStreamListener,
): PokeStream {
  let state: State = { kind: 'closed' }
  let attempt = 0

  function connect(request: PokeRequest): void {
    const startedAtMs = ambient.clock.monotonic()
    let alive = false
    // Where a proxy swallows the stream, silence from the start is no news: the timer of rounds asks often enough.
    const silent = () => end('lost', alive)
    let watchSilence = ambient.timers.after(silenceMsMax, silent)
    const heard = () => {
      watchSilence()
      watchSilence = ambient.timers.after(silenceMsMax, silent)
    }
    const poked = () => {
      alive = true
      listener.onPoke()
    }
    const end = (ending: PokeEnding, isNews: boolean) => {
      disconnect()
      attempt = ambient.clock.monotonic() - startedAtMs >= goodMsMin ? 1 : attempt + 1
      // A refused token is not tried again: the round that `onLost` causes meets the same refusal and gets another.
      state =
        ending === 'refused'
          ? { kind: 'closed' }
          : {
              kind: 'resting',
              cancel: ambient.timers.after(backoffMs(attempt, ambient.random), () => connect(request)),
            }
      if (isNews) listener.onLost()
    }
    const closeStream = transport.openPokes(request, {
      onAlive() {
        heard()
        if (!alive) poked()
      },
      onPoke() {
        heard()
        poked()
      },
      onEnd: (ending) => end(ending, true),
    })
    const disconnect = () => {
      watchSilence()
      closeStream()
    }
    state = { kind: 'connected', disconnect }
  }

  return {
    open(request) {
      if (state.kind === 'closed') connect(request)
    },
    close() {
      if (state.kind === 'connected') state.disconnect()
      if (state.kind === 'resting') state.cancel()
      state = { kind: 'closed' }
    },
  }
}
