/**
 * Snapshots: what is offered to empty devices, made in the background, and given out part by part.
 *
 *   an empty device asks, and its pull has several pages ──► want ──► make ──► shelf ──► ready: the next one is offered it
 *                                                                               └──────► part, as often as devices ask
 *
 * SN1  A snapshot belongs to one set of scopes, one life of the database and one shape of the rows, all in its key. Who asks for a part
 *      asks with the key of the scopes held now, so a snapshot of other scopes is as absent as one that never was.
 * SN2  Nobody waits for a snapshot: until it is ready, pages are served.
 * SN3  Bounded: one is made at a time in each process and one of a key in all, they have a number and a size, and none is offered
 *      for longer than `offeredMs` nor given out for longer than twice that. A key of which none could be made, or that is too large, is left alone for as long.
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, zstdDecompress } from 'node:zlib'
import {
  pageBytesMax,
  pageRowsMax,
  parseSnapshotId,
  type Schema,
  type SnapshotId,
  type SnapshotOffer,
  snapshotPartText,
  wireColumns,
} from '@holdfast/core'
import { chooseEncoding, compress, type Encoding } from '../http/compress.ts'
import type { Page, Scope, ServerStore } from '../ports/server-store.ts'
import type { EncodedPart, PressedSnapshot } from '../ports/snapshot-shelf.ts'
import type { System } from '../ports/system.ts'
import { createCursorCodec } from '../pull/cursor.ts'
import { dayOf } from '../retention/days.ts'

export interface Snapshots {
  /** One of these scopes that is ready; null: there is none. */
  ready(scopes: readonly Scope[]): Promise<SnapshotOffer | null>
  /** Makes one in the background, unless this process is making one already. */
  want(scopes: readonly Scope[]): void
  /** A part as an `accept-encoding` header wants it (`encoding` null: as it is); null: there is none for who holds these scopes. */
  part(address: SnapshotAddress, accepted: string | null): Promise<SnapshotBytes | null>
  /** Ends what is being made. */
  close(): Promise<void>
}

export interface SnapshotAddress {
  readonly scopes: readonly Scope[]
  readonly id: SnapshotId
  readonly part: number
}

export interface SnapshotBytes {
  readonly encoding: Encoding | null
  readonly bytes: Uint8Array
}

export interface SnapshotLimits {
  /** How long one is offered, in milliseconds; parts are given out for twice as long. */
  readonly offeredMs: number
  readonly snapshotsMax: number
  /** Of all of them, compressed. */
  readonly bytesMax: number
}

export const snapshotLimits: SnapshotLimits = { offeredMs: 600_000, snapshotsMax: 16, bytesMax: 64 * 1_048_576 }

export interface SnapshotPorts {
  readonly schema: Schema
  readonly store: ServerStore
  readonly system: System
  /** Told of a snapshot that could not be made. */
  readonly report: (problem: unknown) => void
}

export function createSnapshots(ports: SnapshotPorts, limits: SnapshotLimits): Snapshots {
  const { store, system } = ports
  const shape = shapeOf(ports.schema)
  /** Keys of which none could be made, with the time until which that holds. */
  const leftAlone = new Map<string, number>()
  let making: Promise<void> | null = null
  let cancelTrim = () => {}
  let isClosed = false
  const pressing = new Map<string, Promise<EncodedPart>>()

  const keyOf = (scopes: readonly Scope[]): string =>
    createHash('sha256')
      .update(JSON.stringify([store.generation(), shape, [...scopes].sort()]))
      .digest('base64url')

  const trim = (): Promise<void> => store.snapshots().trim({ ...limits, sinceMs: system.nowMs() - servedMs(limits) })

  const trimLater = (): void => {
    cancelTrim()
    cancelTrim = system.after(servedMs(limits) + 1, () => void trim().catch(ports.report))
  }

  async function make(key: string, scopes: readonly Scope[]): Promise<void> {
    const shelf = store.snapshots()
    const isThere = async () => (await shelf.newest(key, system.nowMs() - limits.offeredMs)) !== null
    if (await isThere()) return
    const positions = scopes.map((scope) => ({ scope, place: 0, seq: 0 }))
    const request = { positions, leaving: [], seen: null, rowsMax: pageRowsMax, bytesMax: pageBytesMax }
    const isMade = await shelf.make({ key, request }, press)
    await trim()
    trimLater()
    if (isMade && !(await isThere())) leave(key)
  }

  const leave = (key: string): void => {
    leftAlone.set(key, system.nowMs() + limits.offeredMs)
  }

  /** Null: it would be of one part, or of too many bytes, or the server is stopping. */
  async function press(pages: AsyncIterable<Page>): Promise<PressedSnapshot | null> {
    const cursors = createCursorCodec(store.generation(), store.secret(), null)
    const madeAtMs = system.nowMs()
    // A clock that was ahead once makes no snapshot too old.
    const day = Math.max(dayOf(madeAtMs), (await store.standing()).prunedDay)
    const parts: EncodedPart[] = []
    let rows: number | null = null
    let bytes = 0
    // One part is compressed while the next one is read.
    let last: Promise<Uint8Array> | null = null
    const take = async (): Promise<void> => {
      if (last === null) return
      const made = await last
      parts.push({ encoding: 'zstd', bytes: made })
      bytes += made.length
    }
    for await (const page of pages) {
      rows ??= page.remaining
      await take()
      if (isClosed || rows === null || bytes > limits.bytesMax) return null
      last = compress(Buffer.from(snapshotPartText(cursors.write({ ...page, day }), page.changes)), 'zstd', 'fast')
    }
    await take()
    if (rows === null || bytes > limits.bytesMax) return null
    const id = parseSnapshotId(Buffer.from(system.randomBytes(16)).toString('hex'))
    return { id, madeAtMs, rows, parts }
  }

  /** In another encoding than it is kept in; kept in that too, for the next who asks. */
  async function recoded(address: SnapshotAddress & { readonly key: string }, from: EncodedPart, to: Encoding) {
    const { id, part, key } = address
    const name = `${id} ${part} ${to}`
    const known = pressing.get(name)
    if (known !== undefined) return known
    const made = (async (): Promise<EncodedPart> => {
      const bytes = await compress(await inflated(from), to, 'fast')
      const recoded = { encoding: to, bytes }
      await store.snapshots().keep({ id, part, key, sinceMs: 0 }, recoded).catch(ports.report)
      return recoded
    })()
    pressing.set(name, made)
    try {
      return await made
    } finally {
      pressing.delete(name)
    }
  }

  return {
    ready: (scopes) => store.snapshots().newest(keyOf(scopes), system.nowMs() - limits.offeredMs),

    want: (scopes) => {
      const key = keyOf(scopes)
      for (const [left, untilMs] of leftAlone) if (untilMs <= system.nowMs()) leftAlone.delete(left)
      // Another one is under way: who comes after it will want this one again.
      if (isClosed || making !== null || leftAlone.has(key)) return
      making = make(key, scopes)
        .catch((problem: unknown) => {
          leave(key)
          ports.report(problem)
        })
        .finally(() => {
          making = null
        })
    },

    part: async ({ scopes, id, part }, accepted) => {
      const encoding = chooseEncoding(accepted)
      const key = keyOf(scopes)
      const sinceMs = system.nowMs() - servedMs(limits)
      const kept = await store.snapshots().part({ id, key, part, sinceMs }, encoding ?? 'zstd')
      if (kept === null) return null
      if (encoding === null) return { encoding, bytes: await inflated(kept) }
      return kept.encoding === encoding ? kept : recoded({ scopes, id, part, key }, kept, encoding)
    },

    close: async () => {
      isClosed = true
      cancelTrim()
      await making
      await Promise.allSettled(pressing.values())
    },
  }
}

function servedMs({ offeredMs }: SnapshotLimits): number {
  return offeredMs * 2
}

/** Rows of another shape are another snapshot: a server of another schema may stand beside this one. */
function shapeOf({ version, collections }: Schema): string {
  const columns = Object.entries(collections).map(([name, collection]) => [name, wireColumns(collection)])
  return JSON.stringify([version, columns])
}

const inflate = { zstd: promisify(zstdDecompress), gzip: promisify(gunzip), br: promisify(brotliDecompress) }

function inflated({ encoding, bytes }: EncodedPart): Promise<Buffer> {
  return inflate[encoding](bytes)
}
