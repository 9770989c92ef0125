/** One round of one device: its batch up, what changed since its cursor down. Knows no HTTP. */
import {
  type AgreedClock,
  agreedClock,
  EngineError,
  type OperationId,
  type PreviousDevice,
  pageBytesMax,
  pageRowsMax,
  parseSyncRequest,
  type Schema,
  type SyncRequest,
  syncReplyText,
} from '@holdfast/core'
import type { Scope, ServerStore } from './ports/server-store.ts'
import type { System } from './ports/system.ts'
import { createCursorCodec } from './pull/cursor.ts'
import type { PokeHub } from './pull/poke.ts'
import { pushBatch } from './push/push-batch.ts'
import { unitsOf } from './push/units.ts'
import type { WriteRules } from './scope/rules.ts'
import type { User } from './scope/user.ts'

export interface Round {
  /** The body of the reply. */
  readonly text: string
  readonly device: string
  /** The version of the app's schema: which versions are in use tells the log. */
  readonly schema: number
  readonly operations: number
  /** The texts of the outcomes. */
  readonly outcomes: readonly string[]
  /** Why operations were left without an outcome: what the database, a write rule or an older schema could not take. */
  readonly faults: readonly unknown[]
}

export interface RoundPorts {
  readonly schema: Schema
  readonly store: ServerStore
  readonly rules: WriteRules
  readonly pokes: PokeHub
  readonly system: System
}

/** Runs one round. Throws EngineError for what concerns the request as a whole; then nothing has changed. */
export async function runRound(
  ports: RoundPorts,
  sender: { readonly user: User; readonly scopes: readonly Scope[] },
  body: unknown,
): Promise<Round> {
  const { store, system } = ports
  const request = parseRequest(body)
  const units = unitsOf(request.operations)
  const { userId } = sender.user
  if (request.user !== userId || request.operations.some(({ operation }) => operation.user !== userId)) {
    throw new EngineError(
      'USER_MISMATCH',
      'The token is not of the user whose device asks, or whose changes these are.',
    )
  }
  const generation = store.generation()
  const cursors = createCursorCodec(generation, store.secret())
  // Read before anything is applied: a device of another generation must not have its batch half answered.
  const place = cursors.read(request.cursor, sender.scopes, await store.horizon())
  const serverNowMs = system.nowMs()
  const scopes = new Set(sender.scopes)
  const batch =
    units.length === 0
      ? nothing
      : await pushBatch(
          store,
          { ...ports, generation, user: sender.user, scopes, clock: clockOf(request, serverNowMs), serverNowMs },
          units,
        )
  for (const { place, touched } of batch.commits) {
    ports.pokes.announce({ place, scopes: touched, device: request.device })
  }
  const faults = [...batch.faults]
  const [page, previous] = await Promise.all([
    store.readPage({ ...place, rowsMax: pageRowsMax, bytesMax: pageBytesMax }),
    // The operations have taken effect: trouble with this stands in the log, and keeps nobody from the answer.
    noteDevice(store, request, serverNowMs).catch((error: unknown) => {
      faults.push(error)
      return null
    }),
  ])
  const cursor = cursors.write(page)
  const outcomes = outcomesInOrder(request, batch.outcomes)
  return {
    text: syncReplyText({
      generation,
      serverTimeMs: serverNowMs,
      outcomes,
      changes: page.changes,
      cursor: cursor === request.cursor ? null : cursor,
      more: page.more,
      through: page.through,
      behind: page.through < ports.pokes.announced(),
      remaining: page.remaining,
      olderSchema: ports.schema.version < request.schema ? ports.schema.version : null,
      previous,
      snapshot: null,
    }),
    device: request.device,
    schema: request.schema,
    operations: request.operations.length,
    outcomes,
    faults,
  }
}

/** Keeps what the device tells of itself, and answers what another one of the same user had told. */
async function noteDevice(
  store: ServerStore,
  { user, device, pending, previousDevice }: SyncRequest,
  atMs: number,
): Promise<PreviousDevice | null> {
  await store.reportDevice(user, device, { pending, atMs })
  return previousDevice === null ? null : { reported: await store.deviceReport(user, previousDevice) }
}

function clockOf({ clock, operations }: SyncRequest, serverNowMs: number): AgreedClock {
  const bytes = operations.reduce((sum, { text }) => sum + text.length, 0)
  return agreedClock(clock, { serverNowMs, bytes })
}

/** Members that the protocol does not know are kept for the hash; nested too deep, they are no JSON that we can write. */
function parseRequest(body: unknown): SyncRequest {
  try {
    return parseSyncRequest(body)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new EngineError('MALFORMED', 'The request is nested too deep.', { cause: error })
  }
}

const nothing = { outcomes: new Map<OperationId, string>(), commits: [], faults: [] } as const

function outcomesInOrder(request: SyncRequest, outcomes: ReadonlyMap<OperationId, string>): readonly string[] {
  return request.operations.flatMap(({ operation }) => outcomes.get(operation.id) ?? [])
}
