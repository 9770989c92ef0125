/**
 * How a schema's fields become those of a later version, declared with the version that they belong to:
 *
 *   defineSchema({
 *     version: 3,
 *     migrations: {
 *       2: { leads: [renamed('phone', 'phoneNumber')] },
 *       3: { leads: [split('name', ['first', 'last'], { was: t.text(), up: …, down: … })] },
 *     },
 *     collections,
 *   })
 *
 * What is added (collections, fields, indexes) needs no migration.
 *
 * MI1  A name that a migration took away is never given again: of any name it is known, without its version, what it is called now.
 * MI2  A stored operation never changes: it is up-cast when it is read, from the version under which it was written, and its hash
 *      stays that of its text.
 * MI3  Up and down are pure: the server's tables and a device's, an operation on its device and on the server, come to the same.
 * MI4  What commutes (counters, sets, shared texts) is renamed only: an operation on it says a change, and not a value.
 * MI5  A field that names a scope is renamed only: a migration moves no record.
 */
import { UsageError } from '../errors.ts'
import { isObject, type Json, type JsonObject, sameJson } from '../json.ts'
import type { Operation } from '../protocol/operation.ts'
import { canonical, isOfKind } from './check-value.ts'
import type { Collection } from './collection.ts'
import { documentColumn } from './documents.ts'
import type { Field } from './field.ts'

/** One field that becomes another, or several. Made by `renamed`, `changed` and `split`. */
export interface FieldMove {
  readonly from: string
  readonly to: readonly string[]
  /** The field as it was; null: it has another name now, and is the same otherwise. */
  readonly was: Field | null
  readonly up: (value: Json) => readonly Json[]
  readonly down: (values: readonly Json[]) => Json
}

/** By the version that they lead to, and by collection; those of one version are done in their order. */
export interface Migrations {
  readonly [version: number]: { readonly [collection: string]: readonly FieldMove[] }
}

/** The part of a schema that migrations look at. */
export interface MigratedSchema {
  readonly version: number
  readonly migrations: Migrations
  readonly collections: { readonly [name: string]: Collection }
}

/** A function of the app's migrations threw, or answered what the field may not hold. Names no values. */
export class MigrationFault extends Error {
  override readonly name = 'MigrationFault'
}

export function renamed(from: string, to: string): FieldMove {
  return { from, to: [to], was: null, up: (value) => [value], down: ([value]) => value ?? null }
}

/**
 * A field that holds something else from now on, under another name. `up` is asked with what the field as it was may hold, `down` with
 * what devices of earlier versions are to be shown; a value that neither may hold becomes null.
 */
export function changed<Old extends Json, New extends Json>(
  from: string,
  to: string,
  { was, up, down }: { readonly was: Field<Old>; up(value: Old): New; down(value: New): Old },
): FieldMove {
  return { from, to: [to], was, up: (value) => [up(value as Old)], down: ([value]) => down((value ?? null) as New) }
}

/** A field that becomes several, in the order of `to`. */
export function split<Old extends Json, const New extends readonly Json[]>(
  from: string,
  to: { readonly [I in keyof New]: string },
  { was, up, down }: { readonly was: Field<Old>; up(value: Old): New; down(values: New): Old },
): FieldMove {
  // The parts come in the order and the number of `to`.
  return { from, to, was, up: (value) => up(value as Old), down: (values) => down(values as New) }
}

/** What leads from a version of the schema to another, in order; empty for most. */
export function movesBetween(
  { migrations }: Pick<MigratedSchema, 'migrations'>,
  collection: string,
  from: number,
  to: number,
): readonly FieldMove[] {
  return versionsOf(migrations).flatMap((version) => {
    const moves = version > from && version <= to ? migrations[version] : undefined
    return moves !== undefined && Object.hasOwn(moves, collection) ? (moves[collection] ?? []) : []
  })
}

/** The last version up to this one whose migrations changed tables; 0: there is none. Who is older than it cannot work with them. */
export function lastMoved({ migrations }: Pick<MigratedSchema, 'migrations'>, version: number): number {
  const moved = versionsOf(migrations).filter((at) => at <= version && !isEmpty(migrations[at] ?? {}))
  return moved.at(-1) ?? 0
}

/** Whether rows have the same form under these two versions. */
export function isSameForm(schema: Pick<MigratedSchema, 'migrations'>, a: number, b: number): boolean {
  return lastMoved(schema, Math.max(a, b)) <= Math.min(a, b)
}

/** Whether what lies between these versions are new names only: nothing is lost on the way down and up again. */
export function isLossless(schema: MigratedSchema, from: number, to: number): boolean {
  return Object.keys(schema.collections).every((name) =>
    movesBetween(schema, name, from, to).every(({ was }) => was === null),
  )
}

/** What a field of any version is called now; several where it was split. */
export function currentNames(schema: MigratedSchema, collection: string, field: string): readonly string[] {
  const moves = movesBetween(schema, collection, 0, schema.version)
  return moves.reduce<readonly string[]>(
    (names, { from, to }) => names.flatMap((name) => (name === from ? to : [name])),
    [field],
  )
}

/** What a field of now was called before these moves; of a part, the whole. */
export function nameBefore(moves: readonly FieldMove[], field: string): string {
  return moves.toReversed().reduce((name, { from, to }) => (to.includes(name) ? from : name), field)
}

/** The fields that migrations took away, by name: what their columns hold where a table has them still. */
export function formerFields(schema: MigratedSchema, collection: string): ReadonlyMap<string, Field> {
  const fields = new Map(Object.entries(schema.collections[collection]?.fields ?? {}))
  const former = new Map<string, Field>()
  for (const { from, to, was } of movesBetween(schema, collection, 0, schema.version).toReversed()) {
    const field = was ?? fields.get(to[0] ?? '')
    if (field === undefined) continue
    fields.set(from, field)
    former.set(from, field)
  }
  return former
}

/**
 * The operation in the form of the schema [MI2]. What the field as it was may not hold keeps its name, so that it is refused and not
 * lost. Throws MigrationFault.
 */
export function upOperation(schema: MigratedSchema, operation: Operation): Operation {
  if (operation.schemaVersion >= schema.version) return operation
  const moves = movesBetween(schema, operation.collection, operation.schemaVersion, schema.version)
  if (moves.length === 0) return operation
  const isHeld = ({ was }: FieldMove, value: Json) => was === null || mayHold(was, value)
  const fields = upMembers(moves, operation.fields, (move, value) =>
    isHeld(move, value) ? liftedBy(move, value) : null,
  )
  const was = upMembers(moves, operation.was, liftedBy)
  return { ...operation, fields, was, schemaVersion: schema.version }
}

/** Fields of a record as the schema has them now, each of its field's kind. Throws MigrationFault. */
export function upFields(schema: MigratedSchema, collection: string, from: number, fields: JsonObject): JsonObject {
  const moves = movesBetween(schema, collection, from, schema.version)
  const lifted = upMembers(moves, fields, liftedBy)
  return Object.fromEntries(
    Object.entries(lifted).map(([name, value]): readonly [string, Json] => {
      const field = schema.collections[collection]?.fields[name]
      if (field === undefined || Object.hasOwn(fields, name)) return [name, value]
      if (isOfKind(field, value)) return [name, canonical(field, value)]
      throw new MigrationFault(`The migration of ${collection} answers for "${name}" what a ${field.rule.kind} is not.`)
    }),
  )
}

/** The members of an object that are named like fields: what a store keeps beside a record. Each part of a split gets what the whole had. */
export function renamedMembers<T>(
  moves: readonly FieldMove[],
  members: { readonly [name: string]: T },
): { readonly [name: string]: T } {
  let next = { ...members }
  for (const { from, to } of moves) {
    if (!Object.hasOwn(next, from)) continue
    const { [from]: member, ...rest } = next
    next = { ...rest, ...Object.fromEntries(to.map((name) => [name, member as T])) }
  }
  return next
}

/** Members by name, moved in order. `lift` answers null where a member stays as it is. */
function upMembers(
  moves: readonly FieldMove[],
  members: JsonObject,
  lift: (move: FieldMove, value: Json) => readonly Json[] | null,
): JsonObject {
  const next: Record<string, Json> = { ...members }
  for (const move of moves) {
    const value = Object.hasOwn(next, move.from) ? next[move.from] : undefined
    const values = value === undefined ? null : lift(move, value)
    if (values === null) continue
    delete next[move.from]
    for (const [index, name] of move.to.entries()) next[name] = values[index] ?? null
  }
  return next
}

function downMembers(moves: readonly FieldMove[], members: JsonObject, fault: OnFault): JsonObject {
  const next: Record<string, Json> = { ...members }
  for (const move of moves.toReversed()) {
    if (!move.to.every((name) => Object.hasOwn(next, name))) continue
    const values = move.to.map((name) => next[name] ?? null)
    for (const name of move.to) delete next[name]
    next[move.from] = lowered(move, values, fault)
  }
  return next
}

function mayHold(field: Field, value: Json): boolean {
  return value === null ? field.optional : isOfKind(field, value)
}

function liftedBy({ from, to, was, up }: FieldMove, value: Json): readonly Json[] {
  if (was !== null && !mayHold(was, value)) return to.map(() => null)
  let values: readonly Json[]
  try {
    values = up(value)
  } catch (cause) {
    throw new MigrationFault(`The migration of the field "${from}" threw.`, { cause })
  }
  if (Array.isArray(values) && values.length === to.length) return values
  throw new MigrationFault(`The migration of the field "${from}" answers no list of ${to.length}.`)
}

/** Told of what a migration could not do for a device of an earlier version. */
export type OnFault = (fault: MigrationFault) => void

/** One value that cannot be brought down must not keep a device from everything else: it is shown as null. */
function lowered({ from, was, down }: FieldMove, values: readonly Json[], fault: OnFault): Json {
  if (was !== null && !was.optional && values.every((value) => value === null)) return null
  try {
    return down(values) ?? null
  } catch (cause) {
    fault(new MigrationFault(`The migration of the field "${from}" threw on the way down.`, { cause }))
    return null
  }
}

/** Rows as arrays, and what each holds. */
export interface Rows {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Json[])[]
}

/** The columns of a page's rows under an earlier version, and what makes a row; null where only names differ. */
export interface RowsDown {
  readonly columns: readonly string[]
  readonly row: ((row: readonly Json[]) => readonly Json[]) | null
}

/** Rows of an app's collection for a device of an earlier version. */
export function rowsDown(moves: readonly FieldMove[], columns: readonly string[], fault: OnFault): RowsDown {
  let next = columns
  for (const { from, to, was } of moves.toReversed()) {
    if (!to.every((name) => next.includes(name))) continue
    next = next.flatMap((name) => (name === to[0] ? [from] : to.includes(name) ? [] : [name]))
    if (was === null) next = next.map((name) => (name === documentColumn(to[0] ?? '') ? documentColumn(from) : name))
  }
  if (moves.every(({ was }) => was === null)) return { columns: next, row: null }
  // Documents belong to what is renamed only, and keep their places.
  const before = columns.map((name) => documentBefore(moves, name))
  return {
    columns: next,
    row: (row) => {
      const lowered = downMembers(
        moves,
        Object.fromEntries(before.map((name, index) => [name, row[index] ?? null])),
        fault,
      )
      return next.map((name) => lowered[name] ?? null)
    },
  }
}

function documentBefore(moves: readonly FieldMove[], column: string): string {
  return moves.toReversed().reduce((name, { from, to }) => {
    return name === documentColumn(to[0] ?? '') ? documentColumn(from) : name
  }, column)
}

/** Rows of an app's collection that an older server, or an older version of the app, has made. Throws MigrationFault. */
export function rowsUp(moves: readonly FieldMove[], { columns, rows }: Rows): Rows {
  const names = columns.map((column) =>
    moves.reduce((name, { from, to, was }) => {
      return was === null && name === documentColumn(from) ? documentColumn(to[0] ?? '') : name
    }, column),
  )
  let next: readonly string[] = names
  for (const { from, to } of moves) next = next.flatMap((name) => (name === from ? to : [name]))
  const lift = (row: readonly Json[]) => {
    const lifted = upMembers(
      moves,
      Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])),
      liftedBy,
    )
    return next.map((name) => lifted[name] ?? null)
  }
  return { columns: next, rows: moves.every(({ was }) => was === null) ? rows : rows.map(lift) }
}

const sides = ['base', 'local', 'remote', 'result'] as const

/**
 * The fields of a conflict or a decision in the form of the schema: one row, or of a field that was split one for each part on which the
 * two sides differ. Throws MigrationFault.
 */
export function questionsUp(moves: readonly FieldMove[], fields: JsonObject): readonly JsonObject[] {
  if (fields.field === '')
    return [onSides(fields, (side) => (isObject(side) ? upMembers(moves, side as JsonObject, liftedBy) : side))]
  return moves.reduce<readonly JsonObject[]>(
    (rows, move) => rows.flatMap((row) => (row.field === move.from ? partsOf(move, row) : [row])),
    [fields],
  )
}

function partsOf(move: FieldMove, fields: JsonObject): readonly JsonObject[] {
  const lifted = new Map(sides.map((side) => [side, liftedBy(move, fields[side] ?? null)]))
  const parts = move.to.map((field, index): JsonObject => {
    const part = sides
      .filter((side) => Object.hasOwn(fields, side))
      .map((side) => [side, lifted.get(side)?.[index] ?? null])
    return { ...fields, field, ...Object.fromEntries(part) }
  })
  const differing = parts.filter(({ local, remote }) => !sameJson(local, remote))
  return differing.length === 0 ? parts.slice(0, 1) : differing
}

/** For a device of an earlier version; null: it is about a part of a field that this version has as a whole, and waits for the update. */
export function questionDown(moves: readonly FieldMove[], fields: JsonObject, fault: OnFault): JsonObject | null {
  if (fields.field === '') {
    return onSides(fields, (side) => (isObject(side) ? downMembers(moves, side as JsonObject, fault) : side))
  }
  let next = fields
  for (const move of moves.toReversed()) {
    if (!move.to.includes(String(next.field))) continue
    if (move.to.length > 1) return null
    next = { ...onSides(next, (side) => lowered(move, [side], fault)), field: move.from }
  }
  return next
}

function onSides(fields: JsonObject, change: (side: Json) => Json): JsonObject {
  const changed = sides
    .filter((side) => Object.hasOwn(fields, side))
    .map((side) => [side, change(fields[side] ?? null)])
  return { ...fields, ...Object.fromEntries(changed) }
}

/** Throws UsageError for migrations that cannot be what the schema says. */
export function checkMigrations(schema: MigratedSchema, isName: (name: string) => boolean): void {
  for (const [version, collections] of Object.entries(schema.migrations)) {
    if (!/^\d+$/.test(version) || Number(version) < 2 || Number(version) > schema.version) {
      throw new UsageError(`A migration leads to a version from 2 to the schema's (${schema.version}); got ${version}.`)
    }
    const unknown = Object.keys(collections).find((name) => !Object.hasOwn(schema.collections, name))
    if (unknown !== undefined)
      throw new UsageError(`A migration to version ${version} is of "${unknown}", which is not a collection.`)
  }
  for (const [name, collection] of Object.entries(schema.collections)) checkMoves(schema, name, collection, isName)
}

/** From the newest back: what stands at each version is known then. */
function checkMoves(
  schema: MigratedSchema,
  name: string,
  collection: Collection,
  isName: (name: string) => boolean,
): void {
  const moves = movesBetween(schema, name, 0, schema.version)
  const fields = new Map(Object.entries(collection.fields))
  const fixed = new Set(scopeFields(collection))
  const taken = new Set([...fields.keys(), 'id', 'createdAt', 'updatedAt'].map((field) => field.toLowerCase()))
  for (const { from, to, was } of moves.toReversed()) {
    const what = `The migration of "${name}.${from}"`
    if (!isName(from)) throw new UsageError(`${what} is of no name that a field can have.`)
    if (taken.has(from.toLowerCase()))
      throw new UsageError(`${what} takes away a name that is given again; choose a new name.`)
    if (new Set(to).size !== to.length || to.length === 0)
      throw new UsageError(`${what} names the same field twice, or none.`)
    for (const field of to) {
      const now = fields.get(field)
      if (now === undefined) throw new UsageError(`${what} leads to "${field}", which "${name}" does not have then.`)
      if (was === null) continue
      const commuting = [now, was].find(({ rule }) => commutes.includes(rule.kind))
      if (commuting !== undefined) throw new UsageError(`${what}: a ${commuting.rule.kind} can be renamed only.`)
      if (fixed.has(field)) throw new UsageError(`${what}: a field that names a scope can be renamed only.`)
    }
    const before = was ?? fields.get(to[0] ?? '')
    if (before !== undefined) fields.set(from, before)
    if (to.some((field) => fixed.has(field))) fixed.add(from)
    for (const field of to) fields.delete(field)
    taken.add(from.toLowerCase())
  }
}

const commutes: readonly string[] = ['counter', 'set', 'shared']

function scopeFields({ scope }: Collection): readonly string[] {
  return scope.kind === 'via' ? [scope.field] : Object.values(scope.fields)
}

function versionsOf(migrations: Migrations): readonly number[] {
  return Object.keys(migrations)
    .map(Number)
    .sort((a, b) => a - b)
}

function isEmpty(members: object): boolean {
  return Object.keys(members).length === 0
}
