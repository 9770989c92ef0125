/**
 * What becomes of each operation of a batch: a pure function of the batch, the draft of the records that it touches, and the
 * outcomes that were given before. Batches that share a transaction share the draft, and each has a court of its own.
 *
 * J1  An operation that was answered before gets that answer again, byte for byte; with another payload it is refused with
 *     KEY_REUSED and nothing is stored about it.
 * J2  A unit takes effect as a whole, or is undone as a whole: the operation at fault is rejected, the others are blocked by it.
 * J3  What depends on a record whose creation was refused is blocked by that refusal; everything else goes on.
 * J4  A target outside the user's scopes is answered like an absent one. Only a creation meets it, since an id is given once; and whether
 *     what has the id is deleted is not told.
 * J5  `blocked` and KEY_REUSED are not stored: sent again after the cause is mended, the operation is judged anew.
 * J6  A unit that this server cannot judge (a rule or a merge function that breaks, an app that is newer than the server) is held: no effect and no
 *     outcome, for it and for what touches its records, so that their device keeps them. Everything else goes on.
 * J7  A conflict is a success: it stops no unit. With a unit that is undone go its conflicts and its decisions.
 * J8  What does not stand is kept, for a person or in a decision, and others see it there. So the write rule is asked about it as if
 *     it had stood: nobody keeps values in records that they may not write, and nobody settles away what they may not write. A deleted
 *     record that comes back, or that shall, is not a new one: the rule sees its last values as what was there before.
 * J9  What replaces operations that were never answered closes them with its own outcome: when it takes effect, they and whatever else
 *     replaces them never do; when it is refused, they are, too, from wherever they still arrive (a network, a rescue file, the copy
 *     of a device). What replaces one that took effect is told so, before anything else is found wrong with it.
 * J10  A creation that took effect under another id is there: nothing is blocked by it but its unit.
 * J11  Units are judged in turns, and others get the event loop in between; a unit is judged in one.
 * J12  [I-9] For as long as devices can bring back what a restore has lost, an operation that was written in another life about a record (or with a
 *      reference to one) that this user cannot see now is held: its creator may come later. Then it is refused like any other. Absent
 *      and somebody else's have one answer here too; what is known to be deleted is not waited for.
 * J13  A transaction is judged for a second at most, or as long as one unit takes: what is left is for the next transaction.
 */
import {
  type AgreedClock,
  applyOperation,
  type Collection,
  correctedTime,
  type Disputed,
  fold,
  type Generation,
  isSystemCollection,
  type Json,
  type Operation,
  type OperationId,
  type Outcome,
  openConflictsMax,
  parseJson,
  parseOutcome,
  type RecordValues,
  type Schema,
  type SentOperation,
  type ServerRecord,
  type StampedOperation,
  settledKeptMs,
  stampOf,
  type Taken,
  wholeSide,
} from '@holdfast/core'
import type { Scope, StoredOperation } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { parentIn } from '../scope/locator.ts'
import { askRule, type WriteRules } from '../scope/rules.ts'
import { isWithin } from '../scope/scopes.ts'
import type { User } from '../scope/user.ts'
import type { Aftermath } from './aftermath.ts'
import { checkOperation, type Refusal } from './check-operation.ts'
import { type Draft, type MetDecision, recordKey } from './draft.ts'
import { createHeldRecords, type HeldRecords } from './held-records.ts'
import { outcomeOf } from './outcome-of.ts'
import { isLocated, type Reference, referencesOf } from './references.ts'
import type { Unit } from './units.ts'

export interface Bench {
  readonly schema: Schema
  readonly rules: WriteRules
  readonly generation: Generation
  /** When this life began; in milliseconds. */
  readonly bornMs: number
  readonly user: User
  /** What the user's devices hold. */
  readonly scopes: ReadonlySet<Scope>
  readonly clock: AgreedClock
  readonly serverNowMs: number
}

export interface Evidence {
  /** The number of the commit that will hold the effects. */
  readonly place: number
  /** SHA-256 of each operation of the batch. */
  readonly hashes: ReadonlyMap<OperationId, string>
  /** Operations of the user that were answered before: those of the batch, and those that they replace. */
  readonly stored: ReadonlyMap<OperationId, StoredOperation>
  /** `recordKey` of each reference's target that lives in one of the user's scopes. */
  readonly present: ReadonlySet<string>
  /** Of units that were judged in an earlier transaction: see `Aftermath`. */
  readonly refused: Aftermath['refused']
}

/** In place of the hash of an operation that is known only as one that was replaced: whatever arrives under its id is it. */
export const neverSent = ''

export interface Judgement {
  /** The text of each operation's outcome. */
  readonly outcomes: ReadonlyMap<OperationId, string>
  /** Those of them that are to be stored. */
  readonly settled: ReadonlyMap<OperationId, string>
  /** Units without an outcome: those that could not be judged, and those that hang on them. */
  readonly held: readonly Unit[]
  /** With those of the evidence. */
  readonly refused: Aftermath['refused']
  /** Why units could not be judged. */
  readonly faults: readonly Error[]
  /** Units for which no time was left, the last ones [J13]. */
  readonly unjudged: readonly Unit[]
}

/**
 * Judges a batch on the draft.
 * @param turn asked before each unit [J11] [J13].
 */
export async function judge(
  bench: Bench,
  { draft, evidence, turn }: { readonly draft: Draft; readonly evidence: Evidence; readonly turn: Turn },
  units: readonly Unit[],
): Promise<Judgement> {
  const court: Court = {
    bench,
    evidence,
    draft,
    given: new Map(),
    closed: new Map(),
    refusedRecords: new Map(evidence.refused),
    heldRecords: createHeldRecords(bench.schema),
    held: [],
    faults: [],
  }
  let judged = 0
  for (const unit of units) {
    if (turn.isOver()) break
    const pause = turn.next()
    if (pause !== null) await pause
    judgeUnit(court, unit)
    judged += 1
  }
  const outcomes = new Map<OperationId, string>()
  const settled = new Map<OperationId, string>()
  for (const [id, { text, isNew }] of court.given) {
    outcomes.set(id, text)
    if (isNew) settled.set(id, text)
  }
  for (const [id, { text }] of court.closed) settled.set(id, text)
  const { held, refusedRecords: refused, faults } = court
  return { outcomes, settled, held, refused, faults, unjudged: units.slice(judged) }
}

/** The time of one transaction, for the units of all its batches. */
export interface Turn {
  /** Called for each unit; waits when others are to have the event loop first. Null: go on. */
  next(): Promise<void> | null
  /** Whether what is left is for another transaction. */
  isOver(): boolean
}

export function createTurn({ breathe, monotonicMs }: Pick<System, 'breathe' | 'monotonicMs'>): Turn {
  const beganMs = monotonicMs()
  let units = 0
  return {
    next: () => {
      units += 1
      return units % turnUnitsMax === 0 ? breathe() : null
    },
    isOver: () => units > 0 && monotonicMs() - beganMs > judgeMsMax,
  }
}

/** Well below what Postgres lets a transaction wait for us (PC3): others wait for the locks and for the feed meanwhile. */
export const judgeMsMax = 1_000

/** Units that are judged in one go: a few milliseconds, and some tens of them where each is an edit of a long shared text. */
const turnUnitsMax = 32

interface Court {
  readonly bench: Bench
  readonly evidence: Evidence
  readonly draft: Draft
  readonly given: Map<OperationId, Given>
  /** Operations that were replaced here and had no outcome before. */
  readonly closed: Map<OperationId, Given>
  /** `recordKey` → the refused operation because of which the record was not created. */
  readonly refusedRecords: Map<string, OperationId>
  readonly heldRecords: HeldRecords
  readonly held: Unit[]
  readonly faults: Error[]
}

interface Given {
  readonly text: string
  readonly outcome: Outcome
  /** Whether this outcome is given for the first time and kept for ever. */
  readonly isNew: boolean
}

/** What one operation meets, before its unit is decided. */
type Finding =
  | { readonly kind: 'effect'; readonly outcome: Outcome }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'blocked'; readonly by: OperationId }
  | { readonly kind: 'held'; readonly fault: Error }

function judgeUnit(court: Court, unit: Unit): void {
  const fresh: SentOperation[] = []
  let guilty: OperationId | null = null
  let isPartlyKnown = false
  for (const sent of unit) {
    const given = answeredBefore(court, sent)
    if (given === null) fresh.push(sent)
    else {
      isPartlyKnown = true
      court.given.set(sent.operation.id, given)
      if (given.outcome.kind === 'rejected') guilty ??= sent.operation.id
    }
  }
  if (guilty !== null) blockUnit(court, unit, guilty)
  // A part of this transaction took effect without the rest: not one of ours, and it stays a part.
  else if (isPartlyKnown) for (const sent of fresh) give(court, rejection(sent.operation, partlyKnown), 'not stored')
  else judgeFresh(court, fresh)
}

function answeredBefore({ evidence, closed }: Court, { operation }: SentOperation): Given | null {
  const stored = evidence.stored.get(operation.id)
  if (stored === undefined) return closed.get(operation.id) ?? null
  if (stored.hash !== neverSent && stored.hash !== evidence.hashes.get(operation.id)) {
    const outcome = rejection(operation, keyReused)
    return { outcome, text: JSON.stringify(outcome), isNew: false }
  }
  return { outcome: storedOutcome(stored), text: stored.outcome, isNew: false }
}

function judgeFresh(court: Court, unit: Unit): void {
  if (court.heldRecords.touches(unit)) {
    holdUnit(court, unit)
    return
  }
  const done = unit.filter(({ operation }) => operation.replaces.some((id) => tookEffect(court, id)))
  const [first] = done
  if (first !== undefined) {
    for (const { operation } of done) refuse(court, operation, alreadyApplied)
    blockUnit(court, unit, first.operation.id)
    return
  }
  const effects: Outcome[] = []
  for (const { operation } of unit) {
    const finding = judgeOperation(court, operation)
    switch (finding.kind) {
      case 'effect':
        effects.push(finding.outcome)
        break
      case 'refused':
        court.draft.undoUnit()
        refuse(court, operation, finding.refusal)
        blockUnit(court, unit, operation.id)
        return
      case 'blocked':
        court.draft.undoUnit()
        blockUnit(court, unit, finding.by)
        return
      case 'held':
        court.draft.undoUnit()
        court.faults.push(finding.fault)
        holdUnit(court, unit)
        return
    }
  }
  court.draft.keepUnit()
  for (const outcome of effects) give(court, outcome, 'stored')
  for (const { operation } of unit) closeReplaced(court, operation, alreadyApplied)
}

function refuse(court: Court, operation: Operation, refusal: Refusal): void {
  give(court, rejection(operation, refusal), 'stored')
  closeReplaced(court, operation, refusal)
}

function closeReplaced({ evidence, given, closed }: Court, { replaces }: Operation, refusal: Refusal): void {
  for (const id of replaces) {
    if (evidence.stored.has(id) || given.get(id)?.isNew === true || closed.has(id)) continue
    const outcome = rejection({ id }, refusal)
    closed.set(id, { outcome, text: JSON.stringify(outcome), isNew: true })
  }
}

function holdUnit({ held, heldRecords }: Court, unit: Unit): void {
  held.push(unit)
  heldRecords.add(unit)
}

/** Blocks every operation of the unit that has no outcome yet, and marks the records that it would have created. */
function blockUnit(court: Court, unit: Unit, by: OperationId): void {
  for (const { operation } of unit) {
    if (operation.kind === 'create' && !isThere(court, operation.id)) {
      const key = recordKey(operation.collection, operation.record)
      if (!court.refusedRecords.has(key)) court.refusedRecords.set(key, by)
    }
    if (!court.given.has(operation.id)) give(court, { kind: 'blocked', id: operation.id, by }, 'not stored')
  }
}

/** Whether the operation was refused because it took effect under another id [J10]. */
function isThere({ given }: Court, id: OperationId): boolean {
  const outcome = given.get(id)?.outcome
  return outcome?.kind === 'rejected' && outcome.code === alreadyApplied.code
}

function judgeOperation(court: Court, sent: Operation): Finding {
  const { bench } = court
  const { schema } = bench
  const collection = Object.hasOwn(schema.collections, sent.collection)
    ? schema.collections[sent.collection]
    : undefined
  if (collection === undefined) {
    return isNewer(bench, sent) && !isSystemCollection(sent.collection)
      ? waitsForNewer(bench, sent, sent.collection)
      : refused('UNKNOWN_COLLECTION', 'The server has no collection of this name.')
  }
  const blockedBy = court.refusedRecords.get(recordKey(sent.collection, sent.record))
  if (blockedBy !== undefined) return { kind: 'blocked', by: blockedBy }
  const checked = checkOperation(collection, sent)
  if (checked.kind === 'refused') {
    // A field that is unknown here, a value that no rule here allows: the schema under which it was written may have both.
    return isNewer(bench, sent) ? waitsForNewer(bench, sent, `${sent.collection}.${checked.refusal.field}`) : checked
  }
  return judgeEffect(court, collection, checked.operation)
}

function judgeEffect(court: Court, collection: Collection, operation: Operation): Finding {
  const { bench, draft, evidence } = court
  const { collection: name, record: id } = operation
  const found = draft.get(name, id)
  const isFound = found.record !== null && isWithin(bench.scopes, draft.locator.now(name, id) ?? [])
  if (operation.kind === 'create' && found.record !== null && !isFound) {
    return refused('ALREADY_EXISTS', 'A record of this id exists already.')
  }
  // As this user may know of it.
  const before: Disputed = isFound ? found : { record: null, conflicts: [] }
  // Conflicts are named after operations: this one has the id of somebody else's.
  if (before.conflicts.some((conflict) => conflict.id.startsWith(`${operation.id}.`))) {
    return { kind: 'refused', refusal: keyReused }
  }
  if (
    before.record === null &&
    operation.kind !== 'create' &&
    operation.base.version > 0 &&
    isOfLostLife(bench, operation)
  ) {
    return waitsForCreator(name)
  }
  const given = stamped(bench, operation)
  const effect = applyOperation(collection, before, given, bench.generation)
  if (effect.kind === 'refused') return refused(effect.code, effect.problem, effect.field)
  if (effect.kind === 'broken') {
    return { kind: 'held', fault: new Error(`${name}: ${effect.fault.message}`, { cause: effect.fault }) }
  }
  const outcome = outcomeOf(operation, { before, effect, place: evidence.place })
  // Every later write reads them all, and each device of the scope gets them.
  if (effect.conflicts.length > Math.max(before.conflicts.length, openConflictsMax)) {
    const field = outcome.kind === 'conflict' ? (outcome.fields.find((name) => name !== '') ?? null) : null
    return refused('TOO_MANY_CONFLICTS', `${openConflictsMax} conflicts are open about the record.`, field)
  }
  if (effect.kind === 'unchanged' && effect.decisions.length === 0) return { kind: 'effect', outcome }
  const missing =
    missingReference(court, collection, operation, referencesOf(collection, operation)) ??
    missingParent(court, collection, operation, { before: before.record, after: effect.record })
  if (missing !== null) return missing
  const held = () => draft.locator.now(name, id) ?? []
  for (const after of aftersOf(collection, given, before, effect, outcome)) {
    const answer = askRule(bench.rules, bench, {
      name,
      collection,
      record: id,
      before: before.record?.values ?? null,
      after,
      held,
      holds: () => (after === null ? held() : draft.locator.withValues(name, after)),
    })
    if (answer.kind === 'broken') return { kind: 'held', fault: answer.fault }
    if (answer.kind === 'denied') return refused('FORBIDDEN', answer.problem, answer.field)
  }
  draft.take(name, id, { ...effect, decisions: metDecisions(given, effect) })
  return { kind: 'effect', outcome }
}

/** What the rule is asked about: the effect, and what was wanted or is dropped where that is something else [J8]. */
function aftersOf(
  collection: Collection,
  { operation, correctedMs }: StampedOperation,
  { record: before }: Disputed,
  { kind, record, decisions }: Taken,
  outcome: Outcome,
): readonly (RecordValues | null)[] {
  const { values } = record
  const isGone = record.state === 'deleted'
  // What was deleted before, and is still, has no effect that could be asked about: only what was wanted of it has.
  const effects = kind === 'changed' && !(isGone && before?.state === 'deleted') ? [isGone ? null : values] : []
  const isWhole = outcome.kind === 'applied' || (outcome.kind === 'merged' && outcome.dropped.length === 0)
  const wanted = isWhole ? [] : [wantedOf(collection, values, operation, correctedMs)]
  const dropped = decisions
    .filter(
      ({ settledBy, winner, localBy }) => settledBy !== null && winner !== 'local' && localBy.user !== operation.user,
    )
    .map(({ field, local }) => withSide(values, field, local))
  return [...effects, ...wanted, ...dropped]
}

function wantedOf(
  collection: Collection,
  values: RecordValues,
  operation: Operation,
  correctedMs: number,
): RecordValues | null {
  const { kind, fields } = operation
  // A settlement says with which values the record shall come back.
  return kind === 'restore' && operation.settles.length > 0
    ? withSide(values, '', fields)
    : fold(collection, values, operation, correctedMs)
}

/** The record with one side of a question in place. */
function withSide(values: RecordValues, field: string, side: Json): RecordValues | null {
  if (field !== '') return { ...values, fields: { ...values.fields, [field]: side } }
  const whole = wholeSide(side)
  return whole && { ...values, fields: { ...values.fields, ...whole } }
}

function metDecisions({ operation, correctedMs }: StampedOperation, { record, decisions }: Taken): MetDecision[] {
  const by = { user: operation.user, device: operation.device, at: operation.time.at, correctedAt: correctedMs }
  return decisions.map((decision, index) => ({
    id: `${operation.id}.d${index}`,
    operation: operation.id,
    by,
    version: record.version,
    decision,
  }))
}

function isNewer({ schema }: Bench, { schemaVersion }: Operation): boolean {
  return schemaVersion > schema.version
}

/** To refuse it would put into the inbox for ever what the server takes once it is as new as the app. */
function waitsForNewer({ schema }: Bench, { schemaVersion }: Operation, name: string): Finding {
  return {
    kind: 'held',
    fault: new Error(
      `The server is older than the app: ${name} was written under schema version ${schemaVersion}, the server has ${schema.version}. Update the server; until then the write waits on its device.`,
    ),
  }
}

/** [J12] */
function isOfLostLife({ generation, bornMs, serverNowMs }: Bench, { base }: Operation): boolean {
  const isOfAnother = base.generation !== null && base.generation !== generation
  return isOfAnother && serverNowMs - bornMs < settledKeptMs
}

function waitsForCreator(name: string): Finding {
  return {
    kind: 'held',
    fault: new Error(
      `The database was restored, and a record of ${name} is not there: what was written about it waits on its device until the device that made the record has come, or 14 days are over.`,
    ),
  }
}

function missingReference(
  court: Court,
  collection: Collection,
  operation: Operation,
  references: readonly Reference[],
): Finding | null {
  const { bench, draft, evidence, refusedRecords } = court
  for (const reference of references) {
    const { field, collection: name, record } = reference
    const key = recordKey(name, record)
    const by = refusedRecords.get(key)
    if (by !== undefined) return { kind: 'blocked', by }
    const isKnown = draft.get(name, record).record !== null || isLocated(bench.schema, collection, reference)
    const target = isKnown ? draft.locator.parent(name, record) : null
    const isThere = isKnown
      ? target?.state === 'live' && isWithin(bench.scopes, target.scopes)
      : evidence.present.has(key)
    if (isThere) continue
    const isDeleted = target?.state === 'deleted' && isWithin(bench.scopes, target.scopes)
    if (!isDeleted && isOfLostLife(bench, operation)) return waitsForCreator(name)
    return refused('REFERENCE_MISSING', `There is no such record of ${name}.`, field)
  }
  return null
}

/**
 * What a merge function made of the reference to the parent is looked at like what a person wrote; and nothing comes back under a parent
 * that the server has forgotten.
 */
function missingParent(
  court: Court,
  collection: Collection,
  operation: Operation,
  { before, after }: { readonly before: ServerRecord | null; readonly after: ServerRecord },
): Finding | null {
  const { scope } = collection
  if (scope.kind === 'own' || after.state === 'deleted') return null
  const record = parentIn(collection, after.values)
  if (record === null) return null
  const reference = { field: scope.field, collection: scope.parent, record }
  if (before === null || parentIn(collection, before.values) !== record) {
    return missingReference(court, collection, operation, [reference])
  }
  const isForgotten = before.state === 'deleted' && court.draft.locator.parent(scope.parent, record) === null
  return isForgotten ? refused('REFERENCE_MISSING', `There is no such record of ${scope.parent}.`, scope.field) : null
}

/** An operation did, itself or as another one that stands for the same change. */
function tookEffect({ given, closed, evidence }: Court, replaced: OperationId): boolean {
  const stored = evidence.stored.get(replaced)
  const outcome = (given.get(replaced) ?? closed.get(replaced))?.outcome ?? (stored && storedOutcome(stored))
  if (outcome?.kind === 'rejected') return outcome.code === alreadyApplied.code
  return outcome?.kind === 'applied' || outcome?.kind === 'merged' || outcome?.kind === 'conflict'
}

/** Times by the server's clock. The hybrid clock goes through the same correction, so that its order stays. */
function stamped({ clock, serverNowMs }: Bench, operation: Operation): StampedOperation {
  const { at, epoch, hlc } = operation.time
  const hlcMs = correctedTime(hlc.ms, epoch, clock, serverNowMs)
  return {
    operation,
    correctedMs: correctedTime(at, epoch, clock, serverNowMs),
    arrivedMs: serverNowMs,
    stamp: stampOf(hlcMs, Math.min(hlc.counter, hlcCounterMax), operation.device),
  }
}

/** What the digits of a stamp can hold. */
const hlcCounterMax = 999_999

function give({ given }: Court, outcome: Outcome, keep: 'stored' | 'not stored'): void {
  given.set(outcome.id, { outcome, text: JSON.stringify(outcome), isNew: keep === 'stored' })
}

function storedOutcome(stored: StoredOperation): Outcome {
  return parseOutcome(parseJson(stored.outcome, 'A stored outcome'))
}

function rejection({ id }: Pick<Operation, 'id'>, { code, field, problem }: Refusal): Outcome {
  return { kind: 'rejected', id, code, field, problem }
}

function refused(code: Refusal['code'], problem: string, field: string | null = null): Finding {
  return { kind: 'refused', refusal: { code, field, problem } }
}

const alreadyApplied: Refusal = {
  code: 'ALREADY_APPLIED',
  field: null,
  problem: 'This change has taken effect under another id, which it replaces or by which it was replaced.',
}

const keyReused: Refusal = {
  code: 'KEY_REUSED',
  field: null,
  problem: 'Another operation was sent under this id before.',
}

const partlyKnown: Refusal = {
  code: 'TRANSACTION_INCOMPLETE',
  field: null,
  problem: 'Other operations of this app transaction took effect before without this one.',
}
