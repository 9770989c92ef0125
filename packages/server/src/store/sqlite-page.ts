/**
 * One page of a pull from the embedded store: entries of the feed in order, joined with the rows as they are now, all in one
 * read transaction. Rows leave as JSON text that SQL made: no row becomes a JavaScript object on its way to the wire.
 *
 * SP1  The end of a step is looked up in the index (the n-th entry), so a pull costs what it carries, whatever the table holds.
 *      So does the sum of what its rows take, which the feed has noted: SQL makes no text that a page does not hold.
 * SP2  A page is read in steps, and others get the event loop in between; the read transaction keeps the snapshot.
 * SP3  Scopes are read one after the other, each to its end: what an earlier scope of the request holds, the device has, and it is
 *      not sent a second time.
 */
import { type ChangesText, type GoneRecord, quoted, type Schema, sharedFields, wireColumns } from '@holdfast/core'
import type { Page, PageRequest, Scope, ScopePosition } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { leavingPage } from './leaving.ts'
import type { PageForm } from './page-form.ts'
import type { Connection } from './sqlite-connection.ts'
import { readLeaving } from './sqlite-leaving.ts'
import { sidecarOf } from './sqlite-tables.ts'
import { pageColumns } from './sqlite-values.ts'

export async function readPage(
  connection: Connection,
  schema: Schema,
  request: PageRequest,
  system: System,
  form: PageForm = 'rows',
): Promise<Page> {
  if (request.leaving.length === 0) return readHeld(connection, schema, request, system, form)
  const step = await readLeaving(connection, request, system)
  return (
    leavingPage(schema, request, step) ?? readHeld(connection, schema, { ...request, leaving: step.rest }, system, form)
  )
}

async function readHeld(
  connection: Connection,
  schema: Schema,
  request: PageRequest,
  system: System,
  form: PageForm,
): Promise<Page> {
  const rows = new Map<string, RowTexts[]>()
  const gone = new Map<string, GoneRecord[]>()
  const scopes = request.positions.map((position) => position.scope)
  const all = JSON.stringify(scopes)
  const positions: ScopePosition[] = []
  const through = Number(connection.first(throughSql, [])?.[0] ?? 0)
  const room = { rows: request.rowsMax, bytes: request.bytesMax, isUntouched: true }
  let more = false
  for (const [index, start] of request.positions.entries()) {
    if (index > 0 && index % turnScopesMax === 0) await system.breathe()
    let held: Pick<Step, 'earlier' | 'earlierOthers'> | null = null
    let at = start
    for (;;) {
      const end = room.rows > 0 ? stepWithin(connection, at, room) : null
      if (end === null) break
      held ??= heldBefore(scopes, index)
      for (const name of collectionsIn(connection, schema, { from: at, to: end.position })) {
        const step = { name, from: at, to: end.position, all, form, ...held }
        collectRows(connection, schema, rows, step)
        collectGone(connection, gone, step)
      }
      room.rows = end.isCut ? 0 : room.rows - end.count
      room.bytes -= end.bytes
      room.isUntouched = false
      at = end.position
      if (end.count < stepRowsMax) break
      await system.breathe()
    }
    positions.push(at)
    if (room.rows <= 0 && !more) more = stepEnd(connection, at, 1) !== null
  }
  const remaining = more ? await countFrom(connection, request.positions, system) : null
  const { leaving } = request
  return { changes: changesOf(schema, rows, gone, form), positions, leaving, seen: null, more, through, remaining }
}

/** Entries of one step: about 10 ms with their rows. */
const stepRowsMax = 1_000

/** Scopes of one step: a few milliseconds, whether they bring something or not. */
const turnScopesMax = 100

interface Step {
  readonly name: string
  readonly from: ScopePosition
  readonly to: ScopePosition
  readonly form: PageForm
  /** JSON of the scopes of the request. */
  readonly all: string
  /** JSON of the scopes that were read before. */
  readonly earlier: string
  /** JSON of those that may hold a live record of this scope too; null: none. */
  readonly earlierOthers: string | null
}

/** A live record lies in one scope of each name, so a thousand scopes of one name need not be searched for it. */
function heldBefore(scopes: readonly Scope[], index: number): Pick<Step, 'earlier' | 'earlierOthers'> {
  const nameOf = (scope: Scope) => scope.split(':', 1)[0]
  const earlier = scopes.slice(0, index)
  const own = nameOf(scopes[index] ?? '')
  const others = earlier.filter((scope) => nameOf(scope) !== own)
  return {
    earlier: JSON.stringify(earlier),
    earlierOthers: others.length === 0 ? null : JSON.stringify(others),
  }
}

/** What the page may still take. */
interface Room {
  readonly rows: number
  readonly bytes: number
  /** It has nothing yet, and so takes one entry whatever that holds. */
  readonly isUntouched: boolean
}

interface End {
  readonly position: ScopePosition
  readonly count: number
  readonly bytes: number
}

/** The end of the next step: before the entry that does not fit, then the page is full. Null: there is nothing, or the first does not fit. */
function stepWithin(connection: Connection, at: ScopePosition, room: Room): (End & { readonly isCut: boolean }) | null {
  const entriesMax = Math.min(room.rows, stepRowsMax)
  const end = stepEnd(connection, at, entriesMax)
  if (end === null || end.bytes <= room.bytes) return end && { ...end, isCut: false }
  let position = at
  let [count, bytes] = [0, 0]
  for (const [place, seq, size] of connection.all(sizesSql, [at.scope, at.place, at.seq, entriesMax])) {
    const next = bytes + Number(size)
    if (next > room.bytes && !(room.isUntouched && count === 0)) break
    position = { scope: at.scope, place: Number(place), seq: Number(seq) }
    count += 1
    bytes = next
  }
  return { position, count, bytes, isCut: true }
}

/** The position of the n-th entry after `at`, or of the last one when there are fewer; null when there is none. */
function stepEnd(connection: Connection, at: ScopePosition, entriesMax: number): End | null {
  const row = connection.first(stepEndSql, [at.scope, at.place, at.seq, entriesMax])
  const count = Number(row?.[0] ?? 0)
  if (row === undefined || count === 0) return null
  const last = connection.first(nthSql, [at.scope, at.place, at.seq, count - 1])
  if (last === undefined) throw new Error('An entry of the feed vanished within a snapshot.')
  return { position: { scope: at.scope, place: Number(last[0]), seq: Number(last[1]) }, count, bytes: Number(row[1]) }
}

/** Few of a schema's collections are in a step. */
function collectionsIn(connection: Connection, schema: Schema, range: Pick<Step, 'from' | 'to'>): readonly string[] {
  const names = connection.all(collectionsSql, bounds(range)).map(([name]) => String(name))
  // One may be of a release that had more of them.
  return names.filter((name) => Object.hasOwn(schema.collections, name))
}

/** Rows as they stand in the text of a page, without brackets around them: all in one text, or a text a column. */
type RowTexts = readonly string[]

function collectRows(connection: Connection, schema: Schema, into: Map<string, RowTexts[]>, step: Step): void {
  const { name, form, earlierOthers } = step
  const row =
    earlierOthers === null
      ? connection.first(rowsSql(schema, name, form), [...bounds(step), name])
      : connection.first(`${rowsSql(schema, name, form)} ${notHeldSql}`, [...bounds(step), name, earlierOthers])
  const texts = (row ?? []).map((text) => String(text).slice(1, -1))
  if (texts[0] !== undefined && texts[0] !== '') listIn(into, step.name).push(texts)
}

function collectGone(connection: Connection, into: Map<string, GoneRecord[]>, step: Step): void {
  for (const [record, version, state] of connection.all(goneSql, [
    ...bounds(step),
    step.name,
    step.all,
    step.earlier,
  ])) {
    const why = state === 'deleted' ? 'deleted' : 'left'
    listIn(into, step.name).push({ record: String(record), version: Number(version), why })
  }
}

function changesOf(
  schema: Schema,
  rows: ReadonlyMap<string, readonly RowTexts[]>,
  gone: ReadonlyMap<string, readonly GoneRecord[]>,
  form: PageForm,
): readonly ChangesText[] {
  return Object.entries(schema.collections).flatMap(([name, collection]) => {
    if (!rows.has(name) && !gone.has(name)) return []
    const columns = wireColumns(collection)
    return [{ collection: name, columns, rows: joined(rows.get(name) ?? [], form), gone: gone.get(name) ?? [] }]
  })
}

function joined(steps: readonly RowTexts[], form: PageForm): string {
  const columns = (steps[0] ?? []).map((_, column) => steps.map((texts) => texts[column]).join(','))
  return form === 'rows' ? `[${columns.join()}]` : `[${columns.map((values) => `[${values}]`).join(',')}]`
}

async function countFrom(connection: Connection, positions: readonly ScopePosition[], system: System): Promise<number> {
  let total = 0
  for (const start of positions) {
    let at: ScopePosition | null = start
    while (at !== null) {
      const end: ReturnType<typeof stepEnd> = stepEnd(connection, at, countStepMax)
      total += end?.count ?? 0
      at = end !== null && end.count === countStepMax ? end.position : null
      if (at !== null) await system.breathe()
    }
  }
  return total
}

/** Index entries that are counted in one go: a few milliseconds. */
const countStepMax = 50_000

function listIn<T>(lists: Map<string, T[]>, key: string): T[] {
  const known = lists.get(key)
  if (known !== undefined) return known
  const made: T[] = []
  lists.set(key, made)
  return made
}

function bounds({ from, to }: Pick<Step, 'from' | 'to'>): readonly [string, number, number, number, number] {
  return [from.scope, from.place, from.seq, to.place, to.seq]
}

const throughSql = "select value from _meta where key = 'place'"

const stepEndSql = `select count(*), sum(bytes) from
  (select bytes from _feed where scope = ?1 and (place, seq) > (?2, ?3) order by place, seq limit ?4)`

const sizesSql = `select place, seq, bytes from _feed where scope = ?1 and (place, seq) > (?2, ?3)
  order by place, seq limit ?4`

const nthSql = `select place, seq from _feed where scope = ?1 and (place, seq) > (?2, ?3)
  order by place, seq limit 1 offset ?4`

const rangeSql = 'f.scope = ?1 and (f.place, f.seq) > (?2, ?3) and (f.place, f.seq) <= (?4, ?5)'
const withinSql = `${rangeSql} and f.collection = ?6`
const collectionsSql = `select distinct f.collection from _feed f indexed by _feed_order where ${rangeSql}`

function rowsSql(schema: Schema, name: string, form: PageForm): string {
  const collection = schema.collections[name]
  if (collection === undefined) throw new Error(`The schema has no collection ${name}.`)
  const columns = ['f.record', 'f.version', 'r."createdAt"', 'r."updatedAt"', ...pageColumns(collection)]
  const sidecar = sharedFields(collection).length === 0 ? '' : `cross join ${sidecarOf(name)} s on s.id = f.record`
  const texts =
    form === 'rows'
      ? `json_group_array(json_array(${columns.join(', ')}))`
      : columns.map((column) => `json_group_array(${column})`).join(', ')
  return `select ${texts}
    from _feed f indexed by _feed_order cross join ${quoted(name)} r on r.id = f.record ${sidecar}
    where ${withinSql} and f.state = 'present'`
}

const heldElsewhereSql = `select 1 from json_each(?7) s cross join _feed o
  on o.scope = s.value and o.collection = f.collection and o.record = f.record and o.state = 'present'`

const notHeldSql = `and not exists (${heldElsewhereSql})`

// A record that another scope of the device still holds did not leave the device; one that is gone is told once.
const goneSql = `select f.record, f.version, f.state from _feed f indexed by _feed_order
  where ${withinSql} and f.state <> 'present' ${notHeldSql} and not exists (
    select 1 from json_each(?8) s cross join _feed o on o.scope = s.value and o.collection = f.collection
    and o.record = f.record and o.state = f.state and o.place = f.place)`
