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
import type { Kind, PageTurn } from './http/admission.ts'
import type { Scope, SentReport, ServerStore } from './ports/server-store.ts'
import type { System } from './ports/system.ts'
import { createCursorCodec } from './pull/cursor.ts'
import { type DeviceForm, deviceForm } from './pull/device-form.ts'
import type { PokeHub } from './pull/poke.ts'
import type { Committer } from './push/committer.ts'
import type { LastReports } from './push/last-reports.ts'
import type { BatchResult } from './push/push-group.ts'
import { type Unit, unitsOf } from './push/units.ts'
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
  readonly committer: Committer
  readonly lastReports: LastReports
  readonly readPage: PageTurn
  readonly system: System
}

export interface Sender {
  readonly user: User
  readonly scopes: readonly Scope[]
}

/** Runs one round. Throws EngineError for what concerns the request as a whole; then nothing has changed. */
export async function runRound(ports: RoundPorts, sender: Sender, body: unknown): Promise<Round> {
  const { store, system } = ports
  const request = parseRequest(body)
  if (request.schema < ports.schema.oldest) {
    throw new EngineError(
      'UPGRADE_REQUIRED',
      `The app has version ${request.schema} of the schema, the server takes ${ports.schema.oldest} and newer.`,
    )
  }
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
  const place = await cursors.read(request.cursor, sender.scopes, {
    head: await store.horizon(),
    scopes: () => store.scopes(),
  })
  const serverNowMs = system.nowMs()
  const faults: unknown[] = []
  const form = deviceForm(ports.schema, request.schema, (fault) => faults.push(fault))
  const push = (units: readonly Unit[], report: SentReport | null) =>
    pushed(ports, sender, { request, units, report, serverNowMs })
  const report = ports.lastReports.due(reportOf(request, serverNowMs))
  const batch = units.length === 0 ? nothing : await push(units, report)
  faults.push(...batch.faults)
  // The operations have taken effect: trouble with what a device tells of itself stands in the log, and keeps nobody from the answer.
  const noted = (error: unknown): null => {
    faults.push(error)
    return null
  }
  const [page, previous] = await Promise.all([
    ports.readPage(kindOf(request), () => store.readPage({ ...place, rowsMax: pageRowsMax, bytesMax: pageBytesMax })),
    request.previousDevice === null ? null : previousOf(store, request).catch(noted),
    report === null || units.length > 0 ? null : push([], report).catch(noted),
  ])
  const cursor = cursors.write(page)
  const outcomes = outcomesInOrder(request, batch.outcomes, form)
  return {
    text: syncReplyText({
      generation,
      serverTimeMs: serverNowMs,
      outcomes,
      changes: form.changes(page.changes),
      cursor: cursor === request.cursor ? null : cursor,
      more: page.more,
      through: page.through,
      behind: page.through < ports.pokes.announced(),
      remaining: page.remaining,
      serverSchema: ports.schema.version === request.schema ? null : ports.schema.version,
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

function kindOf({ operations, cursor }: SyncRequest): Kind {
  return operations.length > 0 ? 'push' : cursor === null ? 'first' : 'pull'
}

/** The batch through the committer, with what the device tells of itself. */
async function pushed(
  ports: RoundPorts,
  { user, scopes }: Sender,
  sent: {
    readonly request: SyncRequest
    readonly units: readonly Unit[]
    readonly report: SentReport | null
    readonly serverNowMs: number
  },
): Promise<BatchResult> {
  const { schema, rules, store, committer, lastReports } = ports
  const { request, units, report, serverNowMs } = sent
  const result = await committer.push({
    bench: {
      schema,
      rules,
      generation: store.generation(),
      user,
      scopes: new Set(scopes),
      clock: clockOf(request, serverNowMs),
      serverNowMs,
    },
    units,
    device: request.device,
    report,
  })
  if (report !== null) lastReports.keep(report)
  return result
}

function reportOf({ user, device, pending }: SyncRequest, atMs: number): SentReport {
  return { user, device, pending, atMs }
}

async function previousOf(store: ServerStore, { user, previousDevice }: SyncRequest): Promise<PreviousDevice | null> {
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

const nothing: BatchResult = { outcomes: new Map(), faults: [] }

function outcomesInOrder(
  request: SyncRequest,
  outcomes: ReadonlyMap<OperationId, string>,
  form: DeviceForm,
): readonly string[] {
  return request.operations.flatMap(({ operation: { id, collection } }) => {
    const text = outcomes.get(id)
    return text === undefined ? [] : [form.outcome(collection, text)]
  })
}
