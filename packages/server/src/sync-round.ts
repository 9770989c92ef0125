/** One round of one device: its batch up, what changed since its cursor down. Knows no HTTP. */
import {
  type AgreedClock,
  agreedClock,
  EngineError,
  type Generation,
  isSameForm,
  type OperationId,
  type PreviousDevice,
  pageBytesMax,
  pageRowsMax,
  parseSyncRequest,
  RestartError,
  type Schema,
  type SnapshotOffer,
  type SyncRequest,
  syncReplyText,
  UsageError,
} from '@holdfast/core'
import type { Kind, PageTurn } from './http/admission.ts'
import type { Page, Scope, SentReport, ServerStore, Standing } from './ports/server-store.ts'
import type { System } from './ports/system.ts'
import { createCursorCodec, type PullPlace, SetBack } from './pull/cursor.ts'
import { type DeviceForm, deviceForm } from './pull/device-form.ts'
import type { PokeHub } from './pull/poke.ts'
import type { Standings } from './pull/standings.ts'
import { noAftermath } from './push/aftermath.ts'
import type { Committer } from './push/committer.ts'
import type { LastReports } from './push/last-reports.ts'
import type { BatchResult } from './push/push-group.ts'
import { type Unit, unitsOf } from './push/units.ts'
import { dayOf } from './retention/days.ts'
import type { WriteRules } from './scope/rules.ts'
import type { User } from './scope/user.ts'
import type { Snapshots } from './snapshot/snapshots.ts'

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
  readonly standings: Standings
  readonly lastReports: LastReports
  readonly readPage: PageTurn
  /** How long what was sent is remembered, in milliseconds. */
  readonly retentionMs: number
  readonly snapshots: Snapshots
  readonly system: System
}

export interface Sender {
  readonly user: User
  readonly scopes: readonly Scope[]
}

/** Runs one round. Throws EngineError for what concerns the request as a whole; then nothing has changed. */
export async function runRound(ports: RoundPorts, sender: Sender, body: unknown): Promise<Round> {
  const { store, standings, system } = ports
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
  const serverNowMs = system.nowMs()
  const day = dayOf(serverNowMs)
  const placeBy = (known: Standing): Promise<PullPlace> =>
    createCursorCodec(known.generation, store.secret(), userId).read(request.cursor, sender.scopes, {
      ...known,
      head: known.horizon,
      day,
      retentionMs: ports.retentionMs,
      serverTimeMs: serverNowMs,
      scopes: () => store.scopes(),
    })
  const ahead = units.length === 0 ? readAhead(ports, request, placeBy) : null
  const standing = await standings.now()
  const { generation } = standing
  const cursors = createCursorCodec(generation, store.secret(), userId)
  // Read before anything is applied: a device of another generation must not have its batch half answered.
  const place = await placeBy(standing).catch((error: unknown) => startOver(ports, { generation, serverNowMs }, error))
  const faults: unknown[] = []
  const form = deviceForm(ports.schema, request.schema, (fault) => faults.push(fault))
  const push = (units: readonly Unit[], report: SentReport | null) =>
    pushed(ports, sender, { request, units, report, standing, serverNowMs })
  const report = ports.lastReports.due(reportOf(request, serverNowMs))
  const batch = units.length === 0 ? nothing : await push(units, report)
  faults.push(...batch.faults)
  // The operations have taken effect: trouble with what a device tells of itself stands in the log, and keeps nobody from the answer.
  const noted = (error: unknown): null => {
    faults.push(error)
    return null
  }
  const [pull, previous] = await Promise.all([
    pulled(ports, sender.scopes, request, { place, ahead: await ahead }),
    request.previousDevice === null ? null : previousOf(store, request).catch(noted),
    report === null || units.length > 0 ? null : push([], report).catch(noted),
  ])
  const cursor =
    pull.place === null
      ? request.cursor
      : // A pull that goes on is as old as its beginning. A clock that was set back makes no device too old.
        cursors.write({ ...pull.place, day: pull.more ? place.day : Math.max(day, standing.prunedDay) })
  const outcomes = outcomesInOrder(request, batch.outcomes, form)
  return {
    text: syncReplyText({
      generation,
      serverTimeMs: serverNowMs,
      outcomes,
      changes: form.changes(pull.changes),
      cursor: cursor === request.cursor ? null : cursor,
      more: pull.more,
      through: pull.through,
      behind: pull.through < ports.pokes.announced(),
      remaining: pull.remaining,
      serverSchema: ports.schema.version === request.schema ? null : ports.schema.version,
      previous,
      snapshot: pull.snapshot,
    }),
    device: request.device,
    schema: request.schema,
    operations: request.operations.length,
    outcomes,
    faults,
  }
}

/** A cursor that is ahead of the head says that the database was set back: what is common to both lives, nobody knows. */
async function startOver(
  { store, retentionMs }: RoundPorts,
  before: { readonly generation: Generation; readonly serverNowMs: number },
  error: unknown,
): Promise<never> {
  if (!(error instanceof SetBack)) throw error
  const generation = await store.startGeneration({ fork: 'unknown', after: before.generation })
  const cause = new UsageError(
    'The database was set back: a device has more of it. It has a new generation from now on; after a restore, run "holdfast restored" before you serve.',
  )
  const restart = {
    kind: 'generation',
    generation,
    fork: 0,
    cursor: null,
    retentionMs,
    serverTimeMs: before.serverNowMs,
  } as const
  throw new RestartError(restart, 'The database of the server was set back.', { cause })
}

function kindOf({ operations, cursor }: SyncRequest): Kind {
  return operations.length > 0 ? 'push' : cursor === null ? 'first' : 'pull'
}

/** What goes down in a round. */
interface Pulled extends Pick<Page, 'changes' | 'more' | 'through' | 'remaining'> {
  /** Null: as it was. */
  readonly place: Omit<PullPlace, 'day'> | null
  readonly snapshot: SnapshotOffer | null
}

/** A page, or a snapshot in place of the first one where there is one ready; or nothing. */
async function pulled(
  { schema, store, readPage, snapshots, pokes }: RoundPorts,
  scopes: readonly Scope[],
  request: SyncRequest,
  { place, ahead }: { readonly place: PullPlace; readonly ahead: Ahead | null },
): Promise<Pulled> {
  const unread = { place: null, changes: [], more: true, through: pokes.announced() }
  if (request.pull === 'nothing') return { ...unread, remaining: null, snapshot: null }
  // A snapshot has one form: an older app gets rows in its own, and a newer one brings pages up by itself.
  const isOwnForm = request.schema <= schema.version && isSameForm(schema, request.schema, schema.version)
  const isFor = request.pull === 'snapshot' && request.cursor === null && isOwnForm
  const snapshot = isFor ? await snapshots.ready(scopes) : null
  if (snapshot !== null) return { ...unread, remaining: snapshot.rows, snapshot }
  const isRead = ahead !== null && JSON.stringify(ahead.place) === JSON.stringify(place)
  const page = isRead
    ? await ahead.page
    : await readPage(kindOf(request), () => store.readPage({ ...place, ...bounds }))
  if (isFor && page.more) snapshots.want(scopes)
  return { ...page, place: page, snapshot: null }
}

const bounds = { rowsMax: pageRowsMax, bytesMax: pageBytesMax }

/** A page that was begun by what the store said last. */
interface Ahead {
  readonly place: PullPlace
  readonly page: Promise<Page>
}

/** Null where nothing is known to begin by; what fails here fails again with the store's answer, or does not matter. */
async function readAhead(
  { store, standings, readPage }: RoundPorts,
  request: SyncRequest,
  placeBy: (known: Standing) => Promise<PullPlace>,
): Promise<Ahead | null> {
  const last = standings.last()
  if (last === null || request.cursor === null || request.pull === 'nothing') return null
  const place = await placeBy(last).catch(() => null)
  if (place === null) return null
  const page = readPage(kindOf(request), () => store.readPage({ ...place, ...bounds }))
  page.catch(() => undefined)
  return { place, page }
}

/** The batch through the committer, with what the device tells of itself. */
async function pushed(
  ports: RoundPorts,
  { user, scopes }: Sender,
  sent: {
    readonly request: SyncRequest
    readonly units: readonly Unit[]
    readonly report: SentReport | null
    readonly standing: Standing
    readonly serverNowMs: number
  },
): Promise<BatchResult> {
  const { schema, rules, committer, lastReports } = ports
  const { request, units, report, standing, serverNowMs } = sent
  const result = await committer.push({
    bench: {
      schema,
      rules,
      generation: standing.generation,
      bornMs: standing.bornMs,
      user,
      scopes: new Set(scopes),
      clock: clockOf(request, serverNowMs),
      serverNowMs,
    },
    units,
    device: request.device,
    report,
    earlier: noAftermath,
  })
  if (report !== null && result.isReported) lastReports.keep(report)
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

const nothing: BatchResult = { outcomes: new Map(), faults: [], isReported: false, left: noAftermath }

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
