/**
 * What must hold of a device's database at every instant, found by reading it whole and folding everything from scratch. It
 * shares no code with the store but the schema's tables.
 */
import {
  type Collection,
  deviceColumns,
  isArray,
  type Json,
  type Operation,
  parseOperation,
  quoted,
  type Schema,
  searchTable,
  searchText,
  upOperation,
} from '@holdfast/core'
import type { SqliteDriver, SqliteValue } from '../ports/sqlite-driver.ts'

type Row = Record<string, SqliteValue>

/** Sentences about what is wrong; none when all is well. `written`: the ids of all operations that were saved, if known. */
export function brokenInvariants(
  driver: SqliteDriver,
  schema: Schema,
  written: ReadonlySet<string> | null = null,
): readonly string[] {
  return [
    ...brokenPlaces(driver, written),
    ...Object.entries(schema.collections).flatMap(([name, collection]) => [
      ...brokenRows(driver, schema, name, collection),
      ...brokenSearch(driver, name, collection),
    ]),
  ]
}

// ST4: each operation in exactly one place; sequence numbers without gaps, but for those of another database that were restored (QU4).
function brokenPlaces(driver: SqliteDriver, written: ReadonlySet<string> | null): readonly string[] {
  const problems: string[] = []
  const device = driver.all(`select value from _meta where key = 'device'`)[0]?.[0]
  const rows = ['_outbox', '_inbox', '_settled'].flatMap((table) =>
    driver
      .all(`select id, seq, operation ->> 'device' from ${table}`)
      .map(([id, seq, by]) => ({ table, id: String(id), seq: Number(seq), isRestored: by !== device })),
  )
  const ids = new Set(rows.map(({ id }) => id))
  if (ids.size !== rows.length) problems.push('an operation is in two places')
  for (const id of written ?? []) if (!ids.has(id)) problems.push(`operation ${id} was saved and is nowhere`)
  if (written !== null) for (const id of ids) if (!written.has(id)) problems.push(`operation ${id} was never saved`)
  const restored = Math.max(0, ...rows.filter(({ isRestored }) => isRestored).map(({ seq }) => seq))
  const seqs = rows.map(({ seq }) => seq).sort((a, b) => a - b)
  if (new Set(seqs).size < seqs.length) problems.push('a sequence number is given twice')
  const own = seqs.filter((seq) => seq > restored)
  own.forEach((seq, index) => {
    const next = restored + index + 1
    if (seq !== next) problems.push(`sequence number ${next} is missing (found ${seq})`)
  })
  const transactions = driver.all(
    `select tx from _outbox where state <> 'acknowledged' intersect select tx from _inbox`,
  )
  for (const [tx] of transactions) problems.push(`transaction ${tx} is refused in part`)
  return problems
}

interface OpenConflict {
  readonly id: string
  readonly record: string
  readonly field: string
  readonly local: Json
  readonly correctedAt: number
}

/** Those of this device, oldest first. */
function ownConflicts(driver: SqliteDriver, name: string): readonly OpenConflict[] {
  return driver
    .all(
      `select id, record, field, "local", "localCorrectedAt" from _conflicts
where collection = ? and "localDevice" = (select value from _meta where key = 'device') order by "createdAt", id`,
      [name],
    )
    .map(([id, record, field, local, correctedAt]) => ({
      id: String(id),
      record: String(record),
      field: String(field),
      local: local === null ? null : JSON.parse(String(local)),
      correctedAt: Math.max(0, Number(correctedAt)),
    }))
}

// ST2: the shown row is the confirmed one with this device's sides of its conflicts and the unsettled operations folded over it.
function brokenRows(driver: SqliteDriver, schema: Schema, name: string, collection: Collection): readonly string[] {
  const problems: string[] = []
  const shown = new Map(readRows(driver, name, collection).map((row) => [String(row.id), row]))
  const operations = driver
    .all('select operation, reflected from _outbox where collection = ? order by seq', [name])
    .map(([text, reflected]) => ({
      ...upOperation(schema, parseOperation(JSON.parse(String(text)))),
      isReflected: reflected !== 0,
    }))
  const byRecord = Map.groupBy(operations, ({ record }) => record)
  const confirmed = new Map(
    driver
      .all('select record, version, "row" from _confirmed where collection = ?', [name])
      .map(([record, version, row]) => [
        String(record),
        { version: Number(version), row: row === null ? null : String(row) },
      ]),
  )
  const refused = new Set(
    driver
      .all('select record from _inbox where collection = ? and "discardedAt" is null', [name])
      .map(([id]) => String(id)),
  )
  const conflicts = Map.groupBy(ownConflicts(driver, name), ({ record }) => record)
  const dirty = new Set([...byRecord.keys(), ...conflicts.keys()])
  // After a restore nothing is known of versions, until all rows have come.
  const isDiffering = driver.all(`select value from _meta where key = 'differing'`)[0]?.[0] === 'true'
  for (const record of confirmed.keys()) {
    if (!dirty.has(record)) problems.push(`${name} ${record}: a confirmed row is kept of a clean record`)
  }
  for (const record of dirty) {
    const kept = confirmed.get(record)
    if (kept === undefined) {
      problems.push(`${name} ${record}: no confirmed row of a record with operations or conflicts`)
      continue
    }
    const unsettled = byRecord.get(record) ?? []
    const expected = foldAll(driver, collection, record, kept, conflicts.get(record) ?? [], unsettled)
    const actual = shown.get(record) ?? null
    if (JSON.stringify(sorted(expected)) !== JSON.stringify(sorted(actual))) {
      problems.push(`${name} ${record}: shown ${JSON.stringify(actual)}, folded ${JSON.stringify(expected)}`)
    }
  }
  for (const [record, row] of shown) {
    if (dirty.has(record)) continue
    const sync = refused.has(record) ? 'refused' : 'synced'
    if (row.$sync !== sync || row.$pending !== null) {
      problems.push(`${name} ${record}: ${row.$sync} ${row.$pending}, and has no operation; expected ${sync}`)
    }
    if (row.$version === 0 && !isDiffering)
      problems.push(`${name} ${record}: shown as clean, and the server has not confirmed it`)
  }
  return problems
}

function foldAll(
  driver: SqliteDriver,
  collection: Collection,
  record: string,
  confirmed: { readonly version: number; readonly row: string | null },
  conflicts: readonly OpenConflict[],
  operations: readonly (Operation & { readonly isReflected: boolean })[],
): Row | null {
  const clock = JSON.parse(String(driver.all(`select value from _meta where key = 'clock'`)[0]?.[0] ?? '{}'))
  const epochs: readonly { readonly epoch: number; readonly offsetMs: number }[] = [...(clock.earlier ?? []), clock]
  let row: Row | null = confirmed.row === null ? null : JSON.parse(confirmed.row)
  const settled = new Set(operations.flatMap(({ settles }) => settles.map(({ conflict }) => conflict)))
  for (const { id, field, local, correctedAt } of conflicts) {
    if (settled.has(id)) continue
    if (field === '' && local === null) row = null
    else if (field === '' && row === null) {
      // A record that is merged as a whole has no counters, sets and shared texts in its sides.
      const fields = { ...defaultsOf(collection), ...fieldsOf(local) }
      row = { createdAt: correctedAt, updatedAt: correctedAt, ...columnsOf(collection, fields) }
    } else if (row !== null) {
      const fields = field === '' ? fieldsOf(local) : { [field]: local }
      row = { ...row, ...columnsOf(collection, fields), updatedAt: later(row, correctedAt) }
    }
  }
  const pending = new Set<string>()
  for (const { kind, fields, time, isReflected } of operations) {
    if (kind !== 'delete' && kind !== 'restore') for (const field of Object.keys(fields)) pending.add(field)
    // The confirmed row has its effect.
    if (isReflected) continue
    const at = time.at + (epochs.findLast(({ epoch }) => epoch <= time.epoch)?.offsetMs ?? 0)
    if (kind === 'delete') row = null
    if (kind === 'create' || (kind === 'restore' && Object.keys(fields).length > 0)) {
      row ??= { createdAt: at, updatedAt: at, ...columnsOf(collection, fields) }
    }
    if (kind === 'update' && row !== null) row = { ...row, ...columnsOf(collection, fields), updatedAt: later(row, at) }
    if (kind === 'increment' && row !== null) {
      row = { ...row, updatedAt: later(row, at) }
      for (const [field, by] of Object.entries(fields)) row[field] = Number(row[field]) + Number(by)
    }
  }
  if (row === null) return null
  if (confirmed.row !== null) row.createdAt = JSON.parse(confirmed.row).createdAt
  const $pending = pending.size === 0 ? null : JSON.stringify([...pending].sort())
  const $sync = operations.length > 0 ? 'pending' : 'conflict'
  const empty = Object.fromEntries(deviceColumns(collection).map((column) => [column, null]))
  return { ...empty, ...row, id: record, $version: confirmed.version, $sync, $pending }
}

function defaultsOf({ fields }: Collection): { readonly [name: string]: Json } {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.default ?? null]))
}

function fieldsOf(side: Json): { readonly [name: string]: Json } {
  return typeof side === 'object' && side !== null && !isArray(side) ? side : {}
}

/** An operation that was dated before the row does not turn its date back. */
function later(row: Row, at: number): number {
  return Math.max(Number(row.updatedAt), at)
}

function columnsOf(collection: Collection, fields: { readonly [name: string]: Json }): Row {
  const row: Row = {}
  for (const [name, value] of Object.entries(fields)) {
    const kind = collection.fields[name]?.rule.kind
    if (typeof value === 'boolean' && kind === 'boolean') row[name] = value ? 1 : 0
    else if (value === null || (kind !== 'json' && (typeof value === 'string' || typeof value === 'number')))
      row[name] = value
    else row[name] = JSON.stringify(value)
  }
  return row
}

// The search index of the database against one that is made anew from the shown rows.
function brokenSearch(driver: SqliteDriver, name: string, collection: Collection): readonly string[] {
  if (collection.search.length === 0) return []
  driver.exec(`
drop table if exists temp.fresh;
create virtual table temp.fresh using fts5(text, content='', contentless_delete=1, detail=none, tokenize="unicode61 remove_diacritics 2");
create virtual table if not exists temp.fresh_words using fts5vocab(temp, fresh, instance);
create virtual table if not exists temp.${name}_words using fts5vocab(main, ${searchTable(name)}, instance)`)
  const columns = collection.search.map(quoted).join(', ')
  for (const [rowid, ...values] of driver.all(`select rowid, ${columns} from ${quoted(name)}`)) {
    const text = searchText(values.map((value) => (value === null ? null : String(value))))
    driver.run('insert into temp.fresh (rowid, text) values (?, ?)', [rowid ?? null, text])
  }
  const words = (table: string) => JSON.stringify(driver.all(`select term, doc from temp.${table} order by term, doc`))
  return words('fresh_words') === words(`${name}_words`) ? [] : [`${name}: the search index differs from the rows`]
}

function readRows(driver: SqliteDriver, name: string, collection: Collection): readonly Row[] {
  const columns = deviceColumns(collection)
  return driver
    .all(`select ${columns.map(quoted).join(', ')} from ${quoted(name)}`)
    .map((values) => Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null])))
}

function sorted(row: Row | null): Row | null {
  if (row === null) return null
  return Object.fromEntries(
    Object.keys(row)
      .sort()
      .map((key) => [key, row[key] ?? null]),
  )
}
