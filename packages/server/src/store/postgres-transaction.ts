/**
 * One transaction on Postgres: a handful of set-based statements, each with up to 5,000 rows as one JSON parameter.
 *
 * PW1  Records that exist are locked; a record that was absent at `load` and was made by somebody else since is found at `write`
 *      (its insert meets the other's), and the whole work runs again.
 * PW2  A claim is an insert: one that meets an open transaction's waits for its end, and then sees its outcome or takes the key.
 * PW3  What only writes is sent and not waited for: the work goes on while Postgres writes. The first failure is the
 *      transaction's, whatever the work makes of what follows.
 * PW4  A row is locked and written before its sidecar, as the statement of another program does that changes one row: neither waits for the
 *      other in a circle, and what the one has not seen it does not write over.
 */
import {
  assert,
  collectionOf,
  type OperationId,
  type RecordId,
  type Schema,
  type ServerRecord,
  type UserId,
} from '@holdfast/core'
import {
  type Child,
  type Claim,
  type FeedEntry,
  type Located,
  type OfUsers,
  type RowAbout,
  reportAgeMsMax,
  type Scope,
  type SentReport,
  type StoredOperation,
  type StoreTransaction,
  type SystemCollection,
} from '../ports/server-store.ts'
import { descentOf } from '../scope/descent.ts'
import { type FoundEntry, type FoundRecord, locatedOf } from './located.ts'
import { locateSql, locateStatements } from './postgres-located.ts'
import { parseRecord, type RecordStatements, rowOf, sidecarRowOf } from './postgres-records.ts'
import { outrun, type Session, type SqlParameter, type SqlRow } from './postgres-sessions.ts'
import { writtenPast } from './postgres-written.ts'

/** Runs the work on one attempt of a transaction, up to but not including its commit. */
export async function runPostgresTransaction<T>(
  ports: PostgresTransactionPorts,
  place: number,
  work: (tx: StoreTransaction) => Promise<T>,
): Promise<T> {
  const { transaction, finish, settled } = createPostgresTransaction(ports, place)
  try {
    const result = await work(transaction)
    await finish()
    return result
  } catch (error) {
    throw (await settled()) ?? error
  }
}

interface PostgresTransaction {
  readonly transaction: StoreTransaction
  /** Gives back what was claimed and not settled; nothing may be called afterwards. */
  finish(): Promise<void>
  /** Waits for everything that was sent; answers the first failure. */
  settled(): Promise<unknown>
}

export interface PostgresTransactionPorts {
  readonly session: Session
  readonly schema: Schema
  readonly statements: (collection: string) => RecordStatements
  /** Whether a record that another program has written is to be caught up with before it is loaded: then `load` throws `writtenPast`. */
  readonly isCaughtUp: boolean
}

function createPostgresTransaction(ports: PostgresTransactionPorts, place: number): PostgresTransaction {
  const { session, schema, statements, isCaughtUp } = ports
  /** Per collection: whether a record was there when this transaction looked. */
  const looked = new Map<string, Map<RecordId, boolean>>()
  /** As they are in the tables. */
  const loaded = new Map<string, Map<RecordId, ServerRecord>>()
  const claimed = new Map<UserId, Set<OperationId>>()
  const openOf = (user: UserId): Set<OperationId> => {
    const known = claimed.get(user) ?? new Set<OperationId>()
    claimed.set(user, known)
    return known
  }
  const sent: Promise<unknown>[] = []
  let failure: unknown
  let seq = 0
  let finished = false

  const send = (sql: string, parameters: readonly SqlParameter[], check?: (rows: readonly SqlRow[]) => void): void => {
    const answered = session.all(sql, parameters).then(check)
    sent.push(answered.catch((error: unknown) => (failure ??= error)))
  }

  const lookedIn = (collection: string): Map<RecordId, boolean> => {
    const known = looked.get(collection) ?? new Map<RecordId, boolean>()
    looked.set(collection, known)
    return known
  }

  const loadedOf = (collection: string): Map<RecordId, ServerRecord> => {
    const known = loaded.get(collection) ?? new Map<RecordId, ServerRecord>()
    loaded.set(collection, known)
    return known
  }

  const claim = async (claims: readonly Claim[]): Promise<OfUsers<StoredOperation>> => {
    for (const part of chunks(claims)) {
      for (const [user, id] of await session.all(claimSql, [JSON.stringify(part)])) {
        openOf(user as UserId).add(id as OperationId)
      }
    }
    const taken = claims.filter(({ user, id }) => claimed.get(user)?.has(id) !== true)
    const stored = new Map<UserId, Map<OperationId, StoredOperation>>()
    for (const part of chunks(taken)) {
      const keys = JSON.stringify(part.map(({ user, id }) => ({ user, id })))
      for (const [user, id, hash, outcome] of await session.all(storedSql, [keys])) {
        const own = stored.get(user as UserId) ?? new Map<OperationId, StoredOperation>()
        stored.set(user as UserId, own.set(id as OperationId, { hash: String(hash), outcome: String(outcome) }))
      }
    }
    return stored
  }

  const load = async (
    name: string,
    ids: readonly RecordId[],
    kept: readonly RecordId[] = [],
  ): Promise<ReadonlyMap<RecordId, ServerRecord>> => {
    const collection = collectionOf(schema, name)
    if (ids.length + kept.length === 0) return new Map()
    const { rows: rowsSql, lock, buryLost } = statements(name)
    const { lockBoth } = locateStatements(name, collection)
    // One after the other, in one round trip: each starts, with a newer snapshot, when the locks before are held.
    const [rows, , locked] = await Promise.all([
      ids.length === 0 ? [] : session.all(rowsSql, [ids]),
      kept.length === 0 ? [] : session.all(lockBoth, [ids, kept]),
      ids.length === 0 ? [] : session.all(lock, [ids]),
    ])
    const rowById = new Map(rows.map((row): [string, SqlRow] => [String(row[0]), row]))
    const records = new Map<RecordId, ServerRecord>()
    const lost = locked.flatMap(([id, , state]) => (state === 'live' && !rowById.has(String(id)) ? [String(id)] : []))
    const first = seq
    seq += lost.length
    const buried = lost.length === 0 ? [] : await session.all(buryLost, [lost, place, first])
    // The others were made or restored by somebody else between the two.
    if (buried.length < lost.length) throw outrun
    const buriedById = new Map(buried.map((row) => [row[0], row]))
    for (const found of locked) {
      const row = buriedById.get(found[0]) ?? found
      const id = String(row[0])
      if (row[6] === true && isCaughtUp) throw writtenPast
      records.set(id, parseRecord(collection, row, rowById.get(id)))
    }
    for (const id of ids) lookedIn(name).set(id, records.has(id))
    for (const [id, record] of records) loadedOf(name).set(id, record)
    return records
  }

  const parents = async (name: string, ids: readonly RecordId[]): Promise<readonly RecordId[]> => {
    const sql = locateStatements(name, collectionOf(schema, name)).parents
    assert(sql !== null, 'only what lies via a parent is asked for it.')
    const found = await session.all(sql, [ids])
    return [...new Set(found.flatMap(([, parent]) => (parent === null ? [] : [String(parent)])))]
  }

  const weigh = async (name: string, ids: readonly RecordId[]): Promise<number> => {
    const [row] = await session.all(statements(name).weigh, [ids])
    return Number(row?.[0])
  }

  const present = async (name: string, ids: readonly RecordId[]): Promise<ReadonlyMap<RecordId, readonly Scope[]>> => {
    const found = new Map<RecordId, Scope[]>()
    for (const [id, scope] of await session.all(presentSql, [name, ids])) {
      const scopes = found.get(String(id)) ?? []
      found.set(String(id), scopes)
      scopes.push(String(scope))
    }
    return found
  }

  const about = async (
    name: SystemCollection,
    subjects: readonly string[],
  ): Promise<ReadonlyMap<string, readonly RowAbout[]>> => {
    const found = new Map<string, RowAbout[]>()
    for (const [subject, id, version, bytes] of await session.all(statements(name).about, [subjects])) {
      const rows = found.get(String(subject)) ?? []
      found.set(String(subject), rows)
      rows.push({ id: String(id), version: Number(version), bytes: Number(bytes) })
    }
    return found
  }

  /** Locks records of one collection and reads what they are; the answer names their parents. */
  const look = async (name: string, ids: readonly RecordId[]): Promise<ReadonlyMap<RecordId, FoundRecord>> => {
    const { lock, parents } = locateStatements(name, collectionOf(schema, name))
    const [locked, above] = await Promise.all([
      session.all(lock, [ids]),
      parents === null ? [] : session.all(parents, [ids]),
    ])
    const parentById = new Map(above.map(([id, parent]) => [id, parent === null ? null : String(parent)]))
    return new Map(locked.map((row) => [String(row[0]), foundRecord(row, parentById.get(row[0]) ?? null)]))
  }

  const entriesIn = async (name: string, ids: readonly RecordId[]): Promise<readonly FoundEntry[]> =>
    (await session.all(locateSql, [name, ids])).map(foundEntry)

  const locate = async (records: ReadonlyMap<string, readonly RecordId[]>): Promise<Located> => {
    const found = new Map<string, Map<RecordId, FoundRecord>>()
    const lookAt = async (wanted: ReadonlyMap<string, readonly RecordId[]>): Promise<void> => {
      const looks = descentOf(schema).childrenFirst.map(async (name) => {
        const ids = wanted.get(name) ?? []
        if (ids.length === 0) return
        const looked = look(name, ids)
        const known = found.get(name) ?? new Map<RecordId, FoundRecord>()
        found.set(name, known)
        for (const [id, record] of await looked) known.set(id, record)
      })
      await Promise.all(looks)
    }
    const read = async (wanted: ReadonlyMap<string, readonly RecordId[]>) =>
      new Map(await Promise.all([...wanted].map(async ([name, ids]) => [name, await entriesIn(name, ids)] as const)))
    // Most callers name the parents too: then all is locked, and after that read, in one round trip.
    let [, entries] = await Promise.all([lookAt(records), read(records)])
    const asked = new Map([...records].map(([name, ids]) => [name, new Set(ids)]))
    for (let above = parentsAbove(found, asked); above.size > 0; above = parentsAbove(found, asked)) {
      await lookAt(above)
      // Not before all are locked: of a chain, who moves the upper end moves the entries of all.
      entries = new Map()
    }
    if (entries.size === 0) entries = await read(new Map([...found].map(([name, own]) => [name, [...own.keys()]])))
    return new Map([...found].map(([name, own]) => [name, locatedOf(own, entries.get(name) ?? [])]))
  }

  /** The parents of what was found that were not asked for; from now on they are. */
  const parentsAbove = (
    found: ReadonlyMap<string, ReadonlyMap<RecordId, FoundRecord>>,
    asked: Map<string, Set<RecordId>>,
  ): ReadonlyMap<string, readonly RecordId[]> => {
    const above = new Map<string, RecordId[]>()
    for (const [name, own] of found) {
      const { scope } = collectionOf(schema, name)
      if (scope.kind === 'own') continue
      const known = asked.get(scope.parent) ?? new Set<RecordId>()
      asked.set(scope.parent, known)
      const fresh = above.get(scope.parent) ?? []
      for (const { parent } of own.values()) {
        if (parent === null || known.has(parent)) continue
        known.add(parent)
        fresh.push(parent)
      }
      if (fresh.length > 0) above.set(scope.parent, fresh)
    }
    return above
  }

  const children = async (name: string, parents: readonly RecordId[], after: RecordId): Promise<readonly Child[]> => {
    const sql = locateStatements(name, collectionOf(schema, name)).children
    assert(sql !== null, 'only what lies via a parent is asked for by it.')
    const rows = await session.all(sql, [parents, after])
    return rows.map(([id, parent, version, bytes]) => {
      return { id: String(id), parent: String(parent), version: Number(version), bytes: Number(bytes) }
    })
  }

  const write = async (name: string, records: ReadonlyMap<RecordId, ServerRecord>): Promise<void> => {
    const collection = collectionOf(schema, name)
    const sql = statements(name)
    const known = lookedIn(name)
    const before = loadedOf(name)
    const all = [...records]
    // Rows before what is beside them, as other programs' statements write them [PW4].
    const live = all.filter(([, { state }]) => state === 'live')
    const sendRows = (statement: string, rows: typeof live): void => {
      for (const part of chunks(rows)) {
        send(statement, [JSON.stringify(part.map(([id, record]) => rowOf(collection, id, record, before.get(id))))])
      }
    }
    sendRows(
      sql.updateRows,
      live.filter(([id]) => known.get(id) === true),
    )
    sendRows(
      sql.upsertRows,
      live.filter(([id]) => known.get(id) !== true),
    )
    const deleted = all.flatMap(([id, { state }]) => (state === 'deleted' ? [id] : []))
    if (deleted.length > 0) send(sql.deleteRows, [deleted])
    const fresh = all.filter(([id]) => known.get(id) === false)
    for (const part of chunks(fresh)) {
      send(sql.insertSidecar, [sidecarRows(part)], (made) => {
        if (made.length < part.length) throw outrun
      })
    }
    for (const part of chunks(all.filter(([id]) => known.get(id) !== false))) {
      send(sql.upsertSidecar, [sidecarRows(part)])
    }
    for (const [id, record] of all) {
      known.set(id, true)
      before.set(id, record)
    }
  }

  const feed = async (entries: readonly FeedEntry[]): Promise<void> => {
    for (const part of chunks(entries)) {
      const first = seq + 1
      seq += part.length
      const rows = part.map((entry, index) => ({ ...entry, seq: first + index }))
      send(feedSql, [JSON.stringify(rows), place])
    }
  }

  const settle = async (outcomes: OfUsers<string>): Promise<void> => {
    const rows = [...outcomes].flatMap(([user, own]) => [...own].map(([id, outcome]) => ({ user, id, outcome })))
    for (const part of chunks(rows)) {
      for (const { user, id } of part) {
        assert(claimed.get(user)?.delete(id) === true, 'only a claimed operation is settled.')
      }
      send(settleSql, [JSON.stringify(part)])
    }
  }

  const report = async (reports: readonly SentReport[]): Promise<void> => {
    for (const part of chunks(reports)) send(reportSql, [JSON.stringify(part), reportAgeMsMax])
  }

  const settled = async (): Promise<unknown> => {
    await Promise.all(sent)
    return failure
  }

  const guarded = <A extends readonly unknown[], T>(call: (...given: A) => Promise<T>) => {
    return (...given: A): Promise<T> => {
      assert(!finished, 'a transaction is not used after its end.')
      return call(...given)
    }
  }

  return {
    transaction: {
      place,
      claim: guarded(claim),
      load: guarded(load),
      parents: guarded(parents),
      weigh: guarded(weigh),
      present: guarded(present),
      about: guarded(about),
      locate: guarded(locate),
      children: guarded(children),
      write: guarded(write),
      feed: guarded(feed),
      settle: guarded(settle),
      report: guarded(report),
    },
    finish: async () => {
      finished = true
      const open = [...claimed].flatMap(([user, ids]) => [...ids].map((id) => ({ user, id })))
      if (open.length > 0) send(giveBackSql, [JSON.stringify(open)])
      const problem = await settled()
      if (problem !== undefined) throw problem
    },
    settled,
  }
}

function foundRecord([, version, state]: SqlRow, parent: RecordId | null): FoundRecord {
  return { version: Number(version), state: state === 'live' ? 'live' : 'deleted', parent }
}

function foundEntry([record, scope, state, version]: SqlRow): FoundEntry {
  return { record: String(record), scope: String(scope), state: String(state), version: Number(version) }
}

/** Rows of one statement: what was measured to be fastest. */
const rowsMax = 5_000

function chunks<T>(all: readonly T[]): readonly (readonly T[])[] {
  if (all.length === 0) return []
  if (all.length <= rowsMax) return [all]
  return [...Array(Math.ceil(all.length / rowsMax)).keys()].map((n) => all.slice(n * rowsMax, (n + 1) * rowsMax))
}

function sidecarRows(part: readonly (readonly [RecordId, ServerRecord])[]): string {
  return JSON.stringify(part.map(([id, record]) => sidecarRowOf(id, record)))
}

// In the order of keys: two transactions that claim the same ones wait one for the other and never both.
const claimSql = `
  insert into _operations ("user", id, hash, device, seq)
  select c."user", c.id, c.hash, c.device, c.seq
  from json_to_recordset($1::json) as c("user" text, id uuid, hash text, device text, seq bigint)
  order by c."user", c.id
  on conflict ("user", id) do nothing
  returning "user", id`

// A statement of its own, with a newer snapshot: it sees what the one that was waited for has committed.
const storedSql = `
  select o."user", o.id, o.hash, o.outcome
  from json_to_recordset($1::json) as k("user" text, id uuid) join _operations o on o."user" = k."user" and o.id = k.id
  where o.outcome is not null`

const settleSql = `
  update _operations o set outcome = s.outcome
  from json_to_recordset($1::json) as s("user" text, id uuid, outcome text)
  where o."user" = s."user" and o.id = s.id`

const giveBackSql = `
  delete from _operations o using json_to_recordset($1::json) as k("user" text, id uuid)
  where o."user" = k."user" and o.id = k.id`

const presentSql = `
  select f.record, f.scope from _feed f
  where f.record = any($2::text[]) and f.collection = $1 and f.state = 'present'`

// In the order of keys, like claims.
const reportSql = `
  insert into _devices as d ("user", device, pending, "seenAt")
  select r."user", r.device, r.pending, r."atMs"
  from json_to_recordset($1::json) as r("user" text, device uuid, pending bigint, "atMs" bigint)
  order by r."user", r.device
  on conflict ("user", device) do update set pending = excluded.pending, "seenAt" = excluded."seenAt"
  where (excluded."seenAt" >= d."seenAt" and excluded.pending <> d.pending) or excluded."seenAt" >= d."seenAt" + $2`

// What the server's own statements have set off after it wrote the record is later than what it says here [OW6].
// Of one row and not `exists`: that could be answered by a hash of the whole feed.
const feedSql = `
  insert into _feed as f (scope, collection, record, version, state, bytes, place, seq)
  select e.scope, e.collection, e.record, e.version, e.state, e.bytes, $2, e.seq
  from json_to_recordset($1::json)
    as e(scope text, collection text, record text, version bigint, state text, bytes integer, seq bigint)
  where e.state <> 'left' or (
    select f.state from _feed f where f.record = e.record and f.collection = e.collection and f.scope = e.scope
  ) = 'present'
  on conflict (record, collection, scope) do update
  set version = excluded.version, state = excluded.state, bytes = excluded.bytes, place = excluded.place, seq = excluded.seq
  where f.version <= excluded.version`
