/** What the statements of postgres-triggers.ts are made of. */
import { type Collection, type FieldRule, quoted, type Schema } from '@holdfast/core'
import pg from 'pg'
import { fitted } from './postgres-tables.ts'

/** The device of whoever writes by SQL: every other one conflicts with it, and it with nobody. */
export const otherWriters = '00000000-0000-7000-8000-000000000001'

export interface Given {
  readonly schema: Schema
  readonly place: string
  readonly name: string
  readonly collection: Collection
}

export const literal = pg.escapeLiteral

/** Records up to which an announcement names the scopes: to find those of many costs more than devices that ask in vain. */
export const announcedMax = 500

// OW4. A plan is kept for the session, whatever the number of rows that it was made for: one that was made for a COPY would read the whole
// table for each row that follows. So what is planned once looks everything up by an index, and many rows are planned each time (`onRows`).
const settings = (place: string) => `
  set search_path = ${quoted(place)}, pg_catalog, pg_temp
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off`

/** Rows from which on a statement is planned for its rows: that costs about a millisecond. */
const plannedMin = 50

/** A statement on `rows` rows, whose answers go into these variables. */
export function onRows(
  statement: (names: Passed) => string,
  { rows, into }: { readonly rows: string; readonly into: string },
): string {
  const named = (name: (index: number) => string) =>
    Object.fromEntries(passed.map((variable, index) => [variable, name(index)])) as Passed
  const own = named((index) => passed[index] ?? '')
  const numbered = named((index) => `$${index + 1}`)
  return `
  if ${rows} < ${plannedMin} then${statement(own).replace('/* into */', `into ${into}`)};
  else
    perform set_config(s.name, 'on', true) from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) s(name);
    execute $planned$${statement(numbered)}$planned$ into ${into} using ${passed.join(', ')};
    perform set_config(s.name, 'off', true) from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) s(name);
  end if;`
}

const passed = ['now_ms', 'this_place', 'last_seq', 'writer', 'now_stamp', 'now_path'] as const

export type Passed = { readonly [name in (typeof passed)[number]]: string }

export function definer(
  place: string,
  { name, given = '', returns, body }: { name: string; given?: string; returns: string; body: string },
): string {
  return `create or replace function ${name}(${given}) returns ${returns} language plpgsql security definer ${settings(place)} as $body$${body}$body$`
}

/** The entry that is there moves. */
export const onFeed = `on conflict (record, collection, scope) do update
      set version = excluded.version, state = excluded.state, bytes = excluded.bytes, place = excluded.place, seq = excluded.seq`

export const feedColumns = 'scope, collection, record, version, state, bytes, place, seq'

/** Whoever writes can set it, and what it is goes into cursors: so never below none, nor beyond what a cursor can say. */
export const lastSeq = `greatest(least(coalesce(nullif(current_setting('holdfast.seq', true), ''), '0')::bigint, 4503599627370496), 0)`

export const thisPlace = 'pg_current_xact_id()::text::bigint'

export const functionOf = (name: string, what: string): string => quoted(fitted(`_${name}_${what}`))

export function setFields({ fields }: Collection): readonly string[] {
  return Object.entries(fields).flatMap(([name, { rule }]) => (rule.kind === 'set' ? [name] : []))
}

export const fieldsOf = ({ fields }: Collection): readonly (readonly [name: string, rule: FieldRule])[] =>
  Object.entries(fields).map(([name, { rule }]) => [name, rule])

export const declared = `
  now_ms constant bigint := floor(extract(epoch from statement_timestamp()) * 1000);
  this_place constant bigint := ${thisPlace};
  last_seq constant bigint := ${lastSeq};
  writer constant text := 'sql:' || session_user;
  -- As stamps.ts stores it, without the device; and as a jsonpath takes it.
  now_stamp constant text := lpad(now_ms::text, 15, '0') || '.000000';
  now_path constant jsonb := jsonb_build_object('now', now_stamp);
  created constant json := json_build_object('', json_build_array(1, ${literal(otherWriters)}, writer, now_stamp));
  problem text;
  parents text[];
  found bigint;
  total bigint;
  filed bigint;
  ids text[];
  travellers text[];`

/** Of a call that makes an object: a function of Postgres takes at most 100 arguments. */
export const membersMax = 50

export function objectOf(
  members: readonly (readonly [key: string, value: string])[],
  kind: 'json' | 'jsonb' = 'jsonb',
): string {
  const parts: string[] = []
  for (let from = 0; from < members.length; from += membersMax) {
    const some = members.slice(from, from + membersMax)
    parts.push(`${kind}_build_object(${some.map(([key, value]) => `${literal(key)}, ${value}`).join(',\n        ')})`)
  }
  return parts.length === 0 ? `'{}'::${kind}` : `(${parts.join(' || ')})`
}
