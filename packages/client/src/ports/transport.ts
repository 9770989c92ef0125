/**
 * The port to the server. It carries texts and says what came back; what that means for the batch is decided in sync/.
 *
 * TR1  `sync` and `part` never throw and never hang by themselves for ever: a broken connection, a cut body and an abort are `unreachable`, or `unsent`.
 * TR2  `reply` is only said of a whole body that is JSON and came with status 200: HTML of a captive portal is `notHoldfast`.
 * TR3  After its closing function was called, a poke stream calls its listener no more; it ends (`onEnd`) at most once.
 */
import type { DeviceId, ErrorCode, Restart, SnapshotId } from '@holdfast/core'

export interface Transport {
  sync(request: TransportRequest): Promise<SyncAnswer>
  /** One part of a snapshot. */
  part(request: PartRequest): Promise<SyncAnswer>
  /** Whether a Holdfast server answers. False on any trouble, and when `signal` aborts. */
  health(signal: AbortSignal): Promise<boolean>
  /** Opens the stream of pokes; answers how to close it. */
  openPokes(request: PokeRequest, listener: PokeListener): () => void
}

export interface PokeRequest {
  readonly token: string
  /** The device is not told of its own commits. */
  readonly device: DeviceId
}

export interface PartRequest extends Attempt {
  readonly id: SnapshotId
  /** From 0. */
  readonly part: number
}

export interface TransportRequest extends Attempt {
  readonly body: string
}

interface Attempt {
  readonly token: string
  readonly signal: AbortSignal
  /** Called whenever bytes arrive, so that a slow answer is told apart from none. */
  readonly onProgress: () => void
}

export type SyncAnswer =
  /** The JSON of a 200, not parsed as a reply yet. */
  | { readonly kind: 'reply'; readonly body: unknown }
  /** Another status. `code` is null when the body is not one of ours (a proxy answered). */
  | {
      readonly kind: 'problem'
      readonly status: number
      readonly code: ErrorCode | null
      readonly problem: string
      readonly retryAfterMs: number | null
      /** Why the device has to start over; null: it has not. */
      readonly restart: Restart | null
    }
  | { readonly kind: 'unreachable'; readonly problem: string }
  /** No connection was made: surely nothing of the request has left this device. Said only where the platform tells. */
  | { readonly kind: 'unsent'; readonly problem: string }
  | { readonly kind: 'notHoldfast'; readonly problem: string }

export interface PokeListener {
  /** The server accepted the stream, or sent anything at all: the connection lives. */
  onAlive(): void
  /** Something changed that this device may want. Carries no data. */
  onPoke(): void
  onEnd(ending: PokeEnding): void
}

/** 'refused': the server does not want this token; any other end may be tried again. */
export type PokeEnding = 'refused' | 'lost'
