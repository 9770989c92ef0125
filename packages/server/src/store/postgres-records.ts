/** The statements of one collection, and its records on their way into Postgres and out of it. */
import { type Collection, type Json, type JsonObject, quoted, type RecordId, type ServerRecord } from '@holdfast/core'
import { lastValues } from './last-values.ts'
import type { SqlRow } from './postgres-sessions.ts'
import { columnsOf, sidecarOf } from './postgres-tables.ts'
import { otherWriters } from './postgres-trigger-parts.ts'
import { parseStamps, storedStamps } from './stamps.ts'

export interface RecordStatements {
  /**
   * Rows of live records, locked in the order of ids: ordered before it locks, so two transactions never wait for each other. Before the
   * sidecar, as a plain UPDATE by another program locks them.
   */
  readonly rows: string
  /** What is beside them, and beside deleted ones, locked; and whether another program's write is still to be worked out. */
  readonly lock: string
  /** The bytes of these records. Of live ones the feed has them: nothing long is read. */
  readonly weigh: string
  /** Subjects, ids, and about what the rows take in a page; of the engine's own collections only. */
  readonly about: string
  /**
   * Takes records for deleted whose row is gone although they are live: some statement has passed by the triggers. Not where a policy may hide rows from the server. What is beside them is locked; answers
   * what `lock` would. Their last values went with the row.
   */
  readonly buryLost: string
  readonly upsertRows: string
  /** The same of records that most likely have a row: `not null` columns of the operator's are asked only of rows that are new. */
  readonly updateRows: string
  readonly deleteRows: string
  /** Answers the ids that were new. */
  readonly insertSidecar: string
  readonly upsertSidecar: string
}

/** @param version of the schema that the collection is of. */
export function recordStatements(name: string, collection: Collection, version: number): RecordStatements {
  const columns = columnsOf(collection)
  const names = columns.map((column) => quoted(column.name)).join(', ')
  const typed = columns.map((column) => `${quoted(column.name)} ${column.type}`).join(', ')
  const updates = columns
    .slice(1)
    .map((column) => `${quoted(column.name)} = excluded.${quoted(column.name)}`)
    .join(', ')
  const sidecar = sidecarOf(name)
  const insertSidecar = `insert into ${sidecar} (id, version, state, stamps, "values", states)
    select r.id, r.version, r.state, r.stamps, r."values", r.states
    from json_to_recordset($1::json) as r(id text, version bigint, state text, stamps json, "values" json, states json)
    order by r.id`
  return {
    rows: `select ${names} from ${quoted(name)} where id = any($1::text[]) order by id for no key update`,
    lock: `select s.id, s.version, s.state, s.stamps, s."values", s.states, s.states is not null and exists (
        select from _unmerged u where u.collection = '${name}' and u.record = s.id and u."seenBy" < ${version}
      ) from ${sidecar} s where s.id = any($1::text[]) order by s.id for update of s`,
    weigh: `select coalesce(sum(case when s.state = 'live' then f.bytes
        else octet_length(s."values"::text) + coalesce(octet_length(s.states::text), 0) end), 0)::bigint
      from ${sidecar} s left join lateral (
        select e.bytes from _feed e where e.record = s.id and e.collection = '${name}' and e.scope = 'all' limit 1
      ) f on true where s.id = any($1::text[])`,
    about: `select r.subject, r.id, s.version, octet_length(r::text) from ${quoted(name)} r join ${sidecar} s on s.id = r.id
      where r.subject = any($1::text[]) order by r.id`,
    buryLost: `with lost as (
        update ${sidecar} s set version = s.version + 1, state = 'deleted',
          "values" = '{"createdAt":0,"updatedAt":0,"fields":{}}', stamps = (s.stamps::jsonb || jsonb_build_object('$deleted', jsonb_build_array(
            s.version + 1, '${otherWriters}', 'sql:', lpad(floor(extract(epoch from statement_timestamp()) * 1000)::bigint::text, 15, '0') || '.000000')))::json
        where s.id = any($1::text[]) and s.state = 'live' and not exists (select from ${quoted(name)} r where r.id = s.id)
          and not row_security_active('${quoted(name)}')
        returning s.id, s.version, s.state, s.stamps, s."values", s.states
      ), noted as (
        insert into _unmerged (collection, record) select '${name}', l.id from lost l where l.states::jsonb ? '?' on conflict do nothing
      ), filed as (
        update _feed f set version = l.version, state = 'deleted', bytes = 0, place = $2, seq = $3 + l.number
        from (select *, row_number() over (order by id) as number from lost) l
        where f.record = l.id and f.collection = '${name}' and f.state = 'present'
      )
      select l.*, l.states is not null and exists (select from _unmerged u where u.collection = '${name}' and u.record = l.id) from lost l`,
    upsertRows: `insert into ${quoted(name)} (${names})
      select ${names} from json_to_recordset($1::json) as r(${typed}) order by r.id
      on conflict (id) do update set ${updates}`,
    updateRows: `with given as materialized (
        select * from json_to_recordset($1::json) as r(${typed}, "$same" text[]) order by r.id
      ), updated as (
        update ${quoted(name)} t set ${columns
          .slice(1)
          .map(({ name: column, type }) => {
            // Numbers that SQL wrote have more digits than JavaScript's: what did not change is not written.
            const value =
              type === 'jsonb'
                ? `case when '${column}' = any(g."$same") then t.${quoted(column)} else g.${quoted(column)} end`
                : `g.${quoted(column)}`
            return `${quoted(column)} = ${value}`
          })
          .join(', ')}
        from given g where t.id = g.id returning t.id
      )
      insert into ${quoted(name)} (${names})
      select ${names} from given g where g.id not in (select u.id from updated u) order by g.id
      on conflict (id) do update set ${updates}`,
    deleteRows: `delete from ${quoted(name)} where id = any($1::text[])`,
    insertSidecar: `${insertSidecar} on conflict (id) do nothing returning id`,
    upsertSidecar: `${insertSidecar} on conflict (id) do update
      set version = excluded.version, state = excluded.state, stamps = excluded.stamps, "values" = excluded."values",
        states = excluded.states`,
  }
}

/** The row of a live record, as a member of the JSON from which rows are inserted. @param before as it is in the table. */
export function rowOf(
  collection: Collection,
  id: RecordId,
  { values }: ServerRecord,
  before?: ServerRecord,
): JsonObject {
  const row: Record<string, Json> = { id, createdAt: values.createdAt, updatedAt: values.updatedAt }
  for (const field of Object.keys(collection.fields)) row[field] = values.fields[field] ?? null
  if (before?.state === 'live') row.$same = sameJson(collection, values, before.values)
  return row
}

function sameJson({ fields }: Collection, values: Values, before: Values): readonly string[] {
  return Object.entries(fields).flatMap(([name, { rule }]) => {
    return rule.kind === 'json' && values.fields[name] === before.fields[name] ? [name] : []
  })
}

export function sidecarRowOf(id: RecordId, record: ServerRecord) {
  const { version, state, stamps, values, states } = record
  return {
    id,
    version,
    state,
    stamps: storedStamps(stamps),
    values: state === 'deleted' ? values : null,
    states: Object.keys(states).length === 0 ? null : states,
  }
}

type Values = ServerRecord['values']

/** From rows of `lock` and `rows`. */
export function parseRecord(collection: Collection, locked: SqlRow, row: SqlRow | undefined): ServerRecord {
  const [, version, state, stamps, values, states] = locked
  const common = { version: Number(version), stamps: parseStamps(stamps), states: (states ?? {}) as JsonObject }
  if (state !== 'live') {
    const last = lastValues(collection, values as Values)
    return { ...common, state: 'deleted', values: last }
  }
  if (row === undefined) throw new Error('Holdfast broke its own law: a live record has a row.')
  return { ...common, state, values: parseValues(collection, row) }
}

function parseValues(collection: Collection, row: SqlRow): Values {
  const fields: Record<string, Json> = {}
  let index = 3
  for (const name of Object.keys(collection.fields)) {
    fields[name] = row[index] as Json
    index += 1
  }
  return { createdAt: Number(row[1]), updatedAt: Number(row[2]), fields }
}
