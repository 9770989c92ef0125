/**
 * One transaction of the embedded store. Every statement works on a set: its parameters are one JSON text per chunk, so that
 * thousands of records cost tens of statements, and other requests get the event loop between two chunks.
 *
 * Keys need no reservation here: there is one writer, so a key is free until its outcome is stored.
 */
import {
  assert,
  type Collection,
  collectionOf,
  type Field,
  type Json,
  type JsonObject,
  type OperationId,
  quoted,
  type RecordId,
  type Schema,
  type ServerRecord,
  type UserId,
} from '@holdfast/core'
import {
  type Claim,
  childrenMax,
  type RowAbout,
  reportAgeMsMax,
  type Scope,
  type StoredOperation,
  type StoreTransaction,
  type Whereabouts,
} from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { descentOf } from '../scope/descent.ts'
import { lastValues } from './last-values.ts'
import { type FoundEntry, type FoundRecord, locatedOf } from './located.ts'
import type { Connection, SqlRow } from './sqlite-connection.ts'
import { columnsOf, sidecarOf } from './sqlite-tables.ts'
import { fromColumn, toColumn } from './sqlite-values.ts'
import { parseStamps, storedStamps } from './stamps.ts'

/** A transaction that knows whether there is anything to commit. */
export interface SqliteTransaction extends StoreTransaction {
  wrote(): boolean
}

export function createTransaction(
  connection: Connection,
  schema: Schema,
  options: { readonly system: System; readonly place: number },
): SqliteTransaction {
  const { system, place } = options
  const claimed = new Map<string, Claim>()
  /** Live records as the transaction loaded them, by collection: what `write` compares with. */
  const loaded = new Map<string, Map<RecordId, ServerRecord>>()
  let feedSeq = 0
  let wrote = false

  /** Runs `work` on the JSON text of each chunk, and lets others run in between. */
  const inChunks = async (items: readonly Json[], work: (text: string) => void): Promise<void> => {
    for (let from = 0; from < items.length; from += chunkRowsMax) {
      if (from > 0) await system.breathe()
      work(JSON.stringify(items.slice(from, from + chunkRowsMax)))
    }
  }

  return {
    place,
    wrote: () => wrote,

    claim: async (claims) => {
      const stored = new Map<UserId, Map<OperationId, StoredOperation>>()
      for (const claim of claims) claimed.set(keyOf(claim), claim)
      const keys = claims.map(({ user, id }) => [user, id])
      await inChunks(keys, (text) => {
        for (const [user, id, hash, outcome] of connection.all(storedSql, [text])) {
          const own = stored.get(user as UserId) ?? new Map<OperationId, StoredOperation>()
          stored.set(user as UserId, own.set(id as OperationId, { hash: String(hash), outcome: String(outcome) }))
        }
      })
      return stored
    },

    load: async (name, ids) => {
      const collection = collectionOf(schema, name)
      const records = new Map<RecordId, ServerRecord>()
      const known = loaded.get(name) ?? new Map<RecordId, ServerRecord>()
      loaded.set(name, known)
      const fields = Object.entries(collection.fields)
      await inChunks(ids, (text) => {
        for (const row of connection.all(loadSql(name, collection), [text])) {
          const record = recordOf(collection, fields, row)
          records.set(String(row[0]), record)
          known.set(String(row[0]), record)
        }
      })
      return records
    },

    parents: async (name, ids) => {
      const collection = collectionOf(schema, name)
      assert(collection.scope.kind === 'via', 'only what lies via a parent is asked for it.')
      const found = new Set<RecordId>()
      await inChunks(ids, (text) => {
        for (const [, , , parent] of connection.all(locateSql(name, collection), [text])) {
          if (parent !== null) found.add(String(parent))
        }
      })
      return [...found]
    },

    weigh: async (name, ids) => {
      collectionOf(schema, name)
      let bytes = 0
      await inChunks(ids, (text) => {
        for (const [part] of connection.all(weighSql(name), [name, text])) bytes += Number(part)
      })
      return bytes
    },

    present: async (name, ids) => {
      collectionOf(schema, name)
      const found = new Map<RecordId, Scope[]>()
      await inChunks(ids, (text) => {
        for (const [id, scope] of connection.all(presentSql, [name, text])) {
          const scopes = found.get(String(id)) ?? []
          found.set(String(id), scopes)
          scopes.push(String(scope))
        }
      })
      return found
    },

    about: async (name, subjects) => {
      const found = new Map<string, RowAbout[]>()
      const sql = aboutSql(name, collectionOf(schema, name))
      await inChunks(subjects, (text) => {
        for (const [subject, id, version, bytes] of connection.all(sql, [text])) {
          const rows = found.get(String(subject)) ?? []
          found.set(String(subject), rows)
          rows.push({ id: String(id), version: Number(version), bytes: Number(bytes) })
        }
      })
      return found
    },

    locate: async (records) => {
      const wanted = new Map([...records].map(([name, ids]) => [name, new Set(ids)]))
      const located = new Map<string, ReadonlyMap<RecordId, Whereabouts>>()
      for (const name of descentOf(schema).childrenFirst) {
        const ids = [...(wanted.get(name) ?? [])]
        if (ids.length === 0) continue
        const collection = collectionOf(schema, name)
        const { scope } = collection
        const found = new Map<RecordId, FoundRecord>()
        const entries: FoundEntry[] = []
        await inChunks(ids, (text) => {
          for (const [id, version, state, parent] of connection.all(locateSql(name, collection), [text])) {
            found.set(String(id), {
              version: Number(version),
              state: state === 'live' ? 'live' : 'deleted',
              parent: parent === null ? null : String(parent),
            })
          }
          for (const [record, scope, state, version] of connection.all(locateEntriesSql, [name, text])) {
            entries.push({
              record: String(record),
              scope: String(scope),
              state: String(state),
              version: Number(version),
            })
          }
        })
        located.set(name, locatedOf(found, entries))
        if (scope.kind === 'via') {
          const parents = [...found.values()].flatMap(({ parent }) => (parent === null ? [] : [parent]))
          wanted.set(scope.parent, new Set([...(wanted.get(scope.parent) ?? []), ...parents]))
        }
      }
      return located
    },

    children: async (name, parents, after) => {
      const rows = connection.all(childrenSql(name, collectionOf(schema, name)), [name, JSON.stringify(parents), after])
      await system.breathe()
      return rows.map(([id, parent, version, bytes]) => {
        return { id: String(id), parent: String(parent), version: Number(version), bytes: Number(bytes) }
      })
    },

    write: async (name, records) => {
      const collection = collectionOf(schema, name)
      const live: Json[] = []
      const updates = new Map<string, RowUpdate>()
      const known = loaded.get(name)
      const deleted: string[] = []
      const sidecar: Json[] = []
      for (const [id, record] of records) {
        const { values } = record
        const before = known?.get(id)
        if (record.state === 'deleted') deleted.push(id)
        else if (before?.state !== 'live' || !addUpdate(updates, collection, { id, before, after: record })) {
          live.push(rowOf(collection, id, record))
        }
        known?.set(id, record)
        sidecar.push([
          id,
          record.version,
          record.state,
          JSON.stringify(storedStamps(record.stamps)),
          record.state === 'live' ? null : JSON.stringify(values),
          statesText(record.states),
        ])
      }
      wrote ||= records.size > 0
      await inChunks(live, (text) => connection.run(writeRowsSql(name, collection), [text]))
      for (const { columns, rows } of updates.values()) {
        await inChunks(rows, (text) => connection.run(updateRowsSql(name, columns), [text]))
      }
      await inChunks(deleted, (text) => connection.run(deleteRowsSql(name), [text]))
      await inChunks(sidecar, (text) => connection.run(writeSidecarSql(name), [text]))
    },

    feed: async (entries) => {
      wrote ||= entries.length > 0
      const rows = entries.map((e) => [e.scope, e.collection, e.record, e.version, e.state, e.bytes, ++feedSeq])
      await inChunks(rows, (text) => connection.run(feedSql, [place, text]))
    },

    settle: async (outcomes) => {
      const receivedAt = system.nowMs()
      const rows = [...outcomes].flatMap(([user, own]) =>
        [...own].map(([id, outcome]) => {
          const claim = claimed.get(keyOf({ user, id }))
          if (claim === undefined) throw new Error(`Operation ${id} is settled without having been claimed.`)
          return [user, id, claim.hash, outcome, claim.device, claim.seq]
        }),
      )
      wrote ||= rows.length > 0
      await inChunks(rows, (text) => connection.run(settleSql, [receivedAt, text]))
    },

    report: async (reports) => {
      const rows = reports.map(({ user, device, pending, atMs }) => [user, device, pending, atMs])
      await inChunks(rows, (text) => connection.run(reportSql, [text, reportAgeMsMax]))
    },
  }
}

/** Rows of one statement: about 5 ms with their indexes, so that nobody waits long for the event loop. */
const chunkRowsMax = 500

function keyOf({ user, id }: Pick<Claim, 'user' | 'id'>): string {
  return `${id} ${user}`
}

function rowOf(collection: Collection, id: RecordId, { values }: ServerRecord): Json {
  const fields = Object.entries(collection.fields).map(([name, field]) => toColumn(field, values.fields[name]))
  return [id, values.createdAt, values.updatedAt, ...fields]
}

interface RowUpdate {
  readonly columns: readonly string[]
  readonly rows: Json[]
}

/** Different sets of changed columns of one call that get a statement of their own; beyond it rows are written whole. */
const updatesMax = 16

/**
 * Notes which columns of a row changed, so that indexes of other columns are not touched: a third of the work of writing rows
 * whole. False when the row is to be written whole.
 */
function addUpdate(
  updates: Map<string, RowUpdate>,
  collection: Collection,
  row: { readonly id: RecordId; readonly before: ServerRecord; readonly after: ServerRecord },
): boolean {
  const [before, after] = [row.before.values, row.after.values]
  const fields = Object.entries(collection.fields).filter(([name]) => before.fields[name] !== after.fields[name])
  const times = (['createdAt', 'updatedAt'] as const).filter((name) => before[name] !== after[name])
  const columns = [...times, ...fields.map(([name]) => name)]
  if (columns.length === 0) return true
  const key = columns.join(' ')
  const update = updates.get(key) ?? { columns, rows: [] }
  if (!updates.has(key) && updates.size >= updatesMax) return false
  updates.set(key, update)
  const values = fields.map(([name, field]) => toColumn(field, after.fields[name]))
  update.rows.push([row.id, ...times.map((name) => after[name]), ...values])
  return true
}

function recordOf(collection: Collection, entries: readonly (readonly [string, Field])[], row: SqlRow): ServerRecord {
  const [, version, state, stamps, last, states, createdAt, updatedAt, ...columns] = row
  const common = {
    version: Number(version),
    stamps: parseStamps(JSON.parse(String(stamps))),
    states: states === null ? {} : JSON.parse(String(states)),
  }
  if (state === 'deleted') return { ...common, state, values: lastValues(collection, JSON.parse(String(last))) }
  const fields: Record<string, Json> = {}
  for (const [index, [name, field]] of entries.entries()) fields[name] = fromColumn(field, columns[index])
  return {
    ...common,
    state: 'live',
    values: {
      createdAt: Number(createdAt),
      updatedAt: Number(updatedAt),
      fields,
    },
  }
}

/** Null for most: a column that every record has. */
function statesText(states: JsonObject): string | null {
  return Object.keys(states).length === 0 ? null : JSON.stringify(states)
}

/** `value ->> 0, value ->> 1, …`: the members of a JSON array as columns. */
function members(count: number): string {
  return Array.from({ length: count }, (_, index) => `value ->> ${index}`).join(', ')
}

function writeRowsSql(name: string, collection: Collection): string {
  const columns = columnsOf(collection)
  const kept = columns.slice(1).map((column) => `${quoted(column)} = excluded.${quoted(column)}`)
  return `insert into ${quoted(name)} (${columns.map(quoted).join(', ')})
    select ${members(columns.length)} from json_each(?) where true
    on conflict (id) do update set ${kept.join(', ')}`
}

function updateRowsSql(name: string, columns: readonly string[]): string {
  const changes = columns.map((column, index) => `${quoted(column)} = j.value ->> ${index + 1}`)
  return `update ${quoted(name)} as r set ${changes.join(', ')} from json_each(?) j where r.id = j.value ->> 0`
}

function deleteRowsSql(name: string): string {
  return `delete from ${quoted(name)} where id in (select value from json_each(?))`
}

function writeSidecarSql(name: string): string {
  return `insert into ${sidecarOf(name)} (id, version, state, stamps, "values", states)
    select ${members(6)} from json_each(?) where true
    on conflict (id) do update set
      version = excluded.version, state = excluded.state, stamps = excluded.stamps,
      "values" = excluded."values", states = excluded.states`
}

function loadSql(name: string, collection: Collection): string {
  const row = columnsOf(collection)
    .slice(1)
    .map((column) => `r.${quoted(column)}`)
  return `select s.id, s.version, s.state, s.stamps, s."values", s.states, ${row.join(', ')}
    from json_each(?) j cross join ${sidecarOf(name)} s on s.id = j.value left join ${quoted(name)} r on r.id = s.id`
}

function weighSql(name: string): string {
  return `select coalesce(sum(iif(s.state = 'live', f.bytes, octet_length(s."values") + coalesce(octet_length(s.states), 0))), 0)
    from json_each(?2) j cross join ${sidecarOf(name)} s on s.id = j.value
    left join _feed f on f.scope = 'all' and f.collection = ?1 and f.record = s.id`
}

function aboutSql(name: string, collection: Collection): string {
  const bytes = columnsOf(collection).map((column) => `coalesce(octet_length(r.${quoted(column)}), 0)`)
  return `select r.subject, r.id, s.version, ${bytes.join(' + ')} from json_each(?) j
    cross join ${quoted(name)} r on r.subject = j.value cross join ${sidecarOf(name)} s on s.id = r.id`
}

function locateSql(name: string, { scope }: Collection): string {
  const sidecar = `json_each(?) j cross join ${sidecarOf(name)} s on s.id = j.value`
  if (scope.kind === 'own') return `select s.id, s.version, s.state, null from ${sidecar}`
  return `select s.id, s.version, s.state, iif(s.state = 'live', r.${quoted(scope.field)}, s."values" ->> '$.fields.${scope.field}')
    from ${sidecar} left join ${quoted(name)} r on r.id = s.id`
}

const locateEntriesSql = `select f.record, f.scope, f.state, f.version from json_each(?2) j cross join _feed f
  on f.record = j.value and f.collection = ?1 and f.state <> 'left'`

function childrenSql(name: string, { scope }: Collection): string {
  assert(scope.kind === 'via', 'only what lies via a parent is asked for by it.')
  const field = quoted(scope.field)
  return `select r.id, r.parent, coalesce(f.version, 0), coalesce(f.bytes, 0) from (
      select r.id, r.${field} as parent from json_each(?2) j cross join ${quoted(name)} r on r.${field} = j.value
      where r.id > ?3 order by r.id limit ${childrenMax}
    ) r left join _feed f on f.record = r.id and f.collection = ?1 and f.scope = 'all' order by r.id`
}

const presentSql = `select f.record, f.scope from json_each(?2) j cross join _feed f
  on f.record = j.value and f.collection = ?1 and f.state = 'present'`

const storedSql = `select o.user, o.id, o.hash, o.outcome from json_each(?) j cross join _operations o
  on o.user = j.value ->> 0 and o.id = j.value ->> 1`

const feedSql = `insert into _feed (scope, collection, record, version, state, bytes, seq, place)
  select ${members(7)}, ?1 from json_each(?2)
  where value ->> 4 <> 'left' or (
    select f.state from _feed f
    where f.record = value ->> 2 and f.collection = value ->> 1 and f.scope = value ->> 0) = 'present'
  on conflict (record, collection, scope) do update set
    version = excluded.version, state = excluded.state, bytes = excluded.bytes, seq = excluded.seq, place = excluded.place`

const settleSql = `insert into _operations (user, id, hash, outcome, device, seq, "receivedAt")
  select ${members(6)}, ?1 from json_each(?2)`

const reportSql = `insert into _devices as d (user, device, pending, "seenAt")
  select ${members(4)} from json_each(?1) where true
  on conflict (user, device) do update set pending = excluded.pending, "seenAt" = excluded."seenAt"
  where (excluded."seenAt" >= d."seenAt" and excluded.pending <> d.pending) or excluded."seenAt" >= d."seenAt" + ?2`
