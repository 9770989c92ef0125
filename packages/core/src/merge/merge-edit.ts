/**
 * One edit onto what a record holds: which of its values stand, what was dropped, and what a person has to be asked.
 *
 * MF1  A field that nobody else wrote since the writer's base takes the incoming value. What its writer saw instead of the current
 *      value, its own unsent edit, is no sight of that value.
 * MF2  A device never conflicts with itself: a field whose last writer is the same user on the same device takes the incoming value. But for an operation
 *      that is sent again in place of a refused one: what its device has written since is not seen, and clashes with it.
 * MF3  Equal values are no clash, whatever the versions say; nor is a value that is again what the writer saw, unless it was written
 *      later (last-write-wins must not depend on the order of arrival).
 * MF4  A clash goes to its strategy; whatever does not stand is in a decision or in a question.
 * MF5  A record that is merged as a whole holds the values of one side only. Where the incoming side is not known in full, since its
 *      writer's app does not know a field that was written since, the record's side stands.
 */
import type { OperationId } from '../ids.ts'
import { type Json, type JsonObject, sameJson } from '../json.ts'
import { brokenRule, canonical } from '../schema/check-value.ts'
import type { Collection } from '../schema/collection.ts'
import type { Field } from '../schema/field.ts'
import { type ClashStrategy, strategyName } from '../schema/merge-strategy.ts'
import { type Author, authorOf, isSameWriter } from './author.ts'
import type { Ask } from './conflict.ts'
import { type Decision, winnerOf } from './decision.ts'
import type { FieldStamp } from './field-stamp.ts'
import { lastWriteWins } from './last-write-wins.ts'
import { compareVectors, seenOf, type VersionVector } from './version-vector.ts'

export interface Edited {
  readonly fields: JsonObject
  readonly stampOf: (field: string) => FieldStamp
  /** Asked only where causality decides. */
  readonly vectorOf: () => VersionVector
}

export interface Edit {
  readonly fields: JsonObject
  readonly was: JsonObject
  /** The record's version that the writer had seen; null when it belongs to another generation: then everything is concurrent. */
  readonly baseVersion: number | null
  readonly author: Author
  readonly stamp: string
  /** The refused operations in whose place it comes; empty: it comes in the order in which its device wrote. */
  readonly replaces: readonly OperationId[]
  /** Fields of a settlement whose question somebody has closed since: their value was not seen to stand [CF3]. */
  readonly overtaken: ReadonlySet<string>
}

export interface Merge {
  /** The fields to write. */
  readonly taken: JsonObject
  /** Those of them whose value a merge function made: no device has seen it. */
  readonly made: readonly string[]
  readonly decisions: readonly Decision[]
  readonly asks: readonly Ask[]
}

/** A custom merge function threw, or answered what the field may not hold: a defect of the app. */
export class MergeFault extends Error {
  override readonly name = 'MergeFault'
}

export function mergeEdit(collection: Collection, current: Edited, edit: Edit): Merge {
  const { merge } = collection
  if (Object.keys(edit.fields).length === 0) return nothing
  switch (merge.kind) {
    case 'fields':
      return mergeFields(collection, merge.clash, current, edit)
    case 'record':
      return mergeRecord(collection, merge.clash, current, edit)
    case 'causal': {
      const vector = current.vectorOf()
      const seen = seenOf(vector, { device: edit.author.device, baseVersion: edit.baseVersion })
      const isAhead = !Object.keys(edit.fields).some((name) => isUnseen(current, edit, name))
      if (isAhead && compareVectors(seen, vector) === 'equal') return { ...nothing, taken: edit.fields }
      return merge.concurrent === 'ask' ? askAll(current, edit) : mergeFields(collection, 'lww', current, edit)
    }
  }
}

const nothing: Merge = { taken: {}, made: [], decisions: [], asks: [] }

function mergeFields(collection: Collection, otherwise: ClashStrategy, current: Edited, edit: Edit): Merge {
  const taken: Record<string, Json> = {}
  const made: string[] = []
  const decisions: Decision[] = []
  const asks: Ask[] = []
  for (const [name, value] of Object.entries(edit.fields)) {
    const field = collection.fields[name]
    const strategy = field?.merge ?? otherwise
    const stamp = current.stampOf(name)
    const sides = { base: edit.was[name] ?? null, local: value, remote: current.fields[name] ?? null }
    const later = lastWriteWins(stamp, edit)
    const isOverruled = edit.overtaken.has(name)
    if (!isUnseen(current, edit, name) || isAgreed(strategy, sides, later, isOverruled)) {
      if (!sameJson(sides.remote, value) || takesOver(strategy, later)) taken[name] = value
      continue
    }
    const remoteBy = authorOf(stamp)
    if (strategy === 'manual') {
      asks.push({ field: name, ...sides, remoteBy })
      continue
    }
    const result = settled(strategy, sides, later, (given) => checked(name, field, given))
    const decision = decisionOf(name, strategy, sides, result, edit.author, remoteBy)
    if (decision.winner !== 'remote') taken[name] = result
    if (decision.winner === 'merged') made.push(name)
    decisions.push(decision)
  }
  return { taken, made, decisions, asks }
}

function mergeRecord(collection: Collection, strategy: ClashStrategy<JsonObject>, current: Edited, edit: Edit): Merge {
  const names = plainFields(collection)
  const remote = whole(current.fields, names)
  const base = { ...remote, ...pick(edit.was, names) }
  const sides = { base, local: { ...base, ...edit.fields }, remote }
  const unseen = names.filter((name) => isUnseen(current, edit, name))
  const isOverruled = unseen.some((name) => edit.overtaken.has(name))
  const newestOf = (isMeant: (stamp: FieldStamp) => boolean) =>
    names
      .map(current.stampOf)
      .filter(isMeant)
      .reduce<FieldStamp | null>((last, stamp) => (last && last.stamp > stamp.stamp ? last : stamp), null)
  const newest = newestOf((stamp) => !isOwn(edit, stamp)) ?? (isOverruled ? newestOf(() => true) : null)
  const isBlind = unseen.length > 0 || !sameJson(base, remote)
  if (!isBlind) return { ...nothing, taken: edit.fields }
  // Nothing but the device's own: the record becomes what it showed.
  if (newest === null) return { ...nothing, taken: sides.local }
  const later = lastWriteWins(newest, edit)
  const notNamed = unseen.filter((name) => edit.was[name] === undefined)
  if (isAgreed(strategy, sides, later, isOverruled || notNamed.length > 0)) {
    return sameJson(sides.local, remote) && !takesOver(strategy, later) ? nothing : { ...nothing, taken: edit.fields }
  }
  const remoteBy = authorOf(newest)
  const unknown = notNamed.filter((name) => edit.fields[name] === undefined)
  const known = names.filter((name) => !unknown.includes(name))
  const told = { base: pick(base, known), local: pick(sides.local, known), remote }
  if (strategy === 'manual') return { ...nothing, asks: [{ field: '', ...told, remoteBy }] }
  const result =
    unknown.length > 0 && typeof strategy === 'string'
      ? remote
      : settled<JsonObject>(strategy, sides, later, (given) => checkedAll(collection, names, given))
  const decision = decisionOf('', strategy, told, result, edit.author, remoteBy)
  return {
    taken: decision.winner === 'remote' ? {} : result,
    made: decision.winner === 'merged' ? names : [],
    decisions: [decision],
    asks: [],
  }
}

/** Whether an equal value becomes its writer's: by time where time decides, else always, so that no clock has a say in it [I-21]. */
function takesOver(strategy: unknown, later: 'current' | 'incoming'): boolean {
  return strategy !== 'lww' || later === 'incoming'
}

function askAll(current: Edited, edit: Edit): Merge {
  const taken: Record<string, Json> = {}
  const asks: Ask[] = []
  for (const [name, local] of Object.entries(edit.fields)) {
    const remote = current.fields[name] ?? null
    if (sameJson(local, remote)) taken[name] = local
    else
      asks.push({ field: name, base: edit.was[name] ?? null, local, remote, remoteBy: authorOf(current.stampOf(name)) })
  }
  return { ...nothing, taken, asks }
}

interface Sides<Value = Json> {
  readonly base: Value
  readonly local: Value
  readonly remote: Value
}

/** Whether somebody else wrote what the field holds, or its own device after this, and this writer did not see it. */
export function isUnseen(
  { fields, stampOf }: Pick<Edited, 'fields' | 'stampOf'>,
  edit: Omit<Edit, 'fields'>,
  name: string,
): boolean {
  const last = stampOf(name)
  const { baseVersion, was, overtaken } = edit
  const isLater = baseVersion === null || last.version > baseVersion
  // Who wrote the field after the settled question was asked knows of that; who had written it before does not know who closed it.
  if (isOwn(edit, last)) return overtaken.has(name) && !isLater
  if (isLater || overtaken.has(name)) return true
  // The device had it, but showed an edit of its own, which did not come to stand.
  return was[name] !== undefined && !sameJson(was[name], fields[name] ?? null)
}

/** Whether the writer knew of this write because its own device had made it [MF2]. */
export function isOwn(
  { author, baseVersion, stamp, replaces }: Pick<Edit, 'author' | 'baseVersion' | 'stamp' | 'replaces'>,
  last: FieldStamp,
): boolean {
  if (!isSameWriter(last, author)) return false
  const isInOrder = replaces.length === 0 || (baseVersion !== null && last.version <= baseVersion)
  return isInOrder || last.stamp < stamp
}

/** Whether there is nothing to drop: both sides are equal, or the record's is what the writer saw [MF3]. */
function isAgreed(
  strategy: unknown,
  { base, local, remote }: Sides,
  later: 'current' | 'incoming',
  isBaseUnknown: boolean,
): boolean {
  if (sameJson(remote, local)) return true
  return !isBaseUnknown && sameJson(remote, base) && (strategy !== 'lww' || later === 'incoming')
}

function settled<Value extends Json>(
  strategy: Exclude<ClashStrategy<Value>, 'manual'>,
  sides: Sides<Value>,
  later: 'current' | 'incoming',
  check: (given: unknown) => Value,
): Value {
  switch (strategy) {
    case 'lww':
      return later === 'incoming' ? sides.local : sides.remote
    case 'serverTime':
    case 'clientWins':
      return sides.local
    case 'serverWins':
      return sides.remote
    default:
      return check(called(strategy, sides))
  }
}

function called<Value>(merge: (clash: Sides<Value>) => unknown, sides: Sides<Value>): unknown {
  try {
    return merge(sides)
  } catch (cause) {
    throw new MergeFault('The merge function threw an error.', { cause })
  }
}

function checked(name: string, field: Field | undefined, given: unknown): Json {
  const rule = field === undefined ? 'a field of the schema' : brokenRule(field, given)
  if (rule !== null || field === undefined)
    throw new MergeFault(`The merge function answered a ${name} that is not ${rule}.`)
  return canonical(field, given as Json)
}

function checkedAll(collection: Collection, names: readonly string[], given: unknown): JsonObject {
  const values = typeof given === 'object' && given !== null ? (given as { readonly [name: string]: unknown }) : {}
  return Object.fromEntries(names.map((name) => [name, checked(name, collection.fields[name], values[name])]))
}

function decisionOf(
  field: string,
  strategy: Exclude<ClashStrategy | ClashStrategy<JsonObject>, 'manual'>,
  sides: Sides,
  result: Json,
  localBy: Author,
  remoteBy: Author,
): Decision {
  const winner = winnerOf({ ...sides, result })
  return { field, strategy: strategyName(strategy), winner, ...sides, result, localBy, remoteBy, settledBy: null }
}

/** The fields that an update writes: counters, sets and shared texts merge by their operations. */
export function plainFields(collection: Collection): readonly string[] {
  return Object.entries(collection.fields).flatMap(([name, { rule }]) =>
    rule.kind === 'counter' || rule.kind === 'set' || rule.kind === 'shared' ? [] : [name],
  )
}

/** All of these fields; null for one that was added to the schema since. */
export function whole(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, fields[name] ?? null]))
}

export function pick(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(fields, name)).map((name) => [name, fields[name] ?? null]),
  )
}
