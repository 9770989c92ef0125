/**
 * What makes plain SQL a writer like any other: triggers on the tables of an app's collections, generated from the schema, that keep sidecar
 * and feed as the server keeps them. Statement triggers with transition tables, so that a COPY costs a few statements on sets.
 *
 * OW1  What another program writes leaves the same versions, stamps, last values and feed entries as the same change by a device; a
 *      value that is written again as it was bumps nothing.
 * OW2  TRUNCATE, another id for a row, the id of a deleted record and values that no device could be sent (numbers that JSON has not, a set that is
 *      none) are refused, and so is a child of a parent that does not exist.
 * OW3  The writes of the server pass by: it says who it is in each transaction (`holdfast.origin`). That is trust, not security.
 * OW4  The triggers plan for themselves, whatever the session of the other program has set, and work for whoever may write the table:
 *      they run with the rights of its owner, in its schema.
 * OW5  What SQL cannot work out (the document of a shared text, a side of an open conflict) is noted in `_unmerged`, and worked out by the server
 *      before it serves or judges anything: see push/merge-written.ts.
 */
import { createHash } from 'node:crypto'
import {
  type Collection,
  collectionOf,
  conflictsCollection,
  decisionsCollection,
  type FieldRule,
  instantMax,
  instantMin,
  isSystemCollection,
  ownScopes,
  quoted,
  recordIdLengthMax,
  type Schema,
  sharedFields,
} from '@holdfast/core'
import pg from 'pg'
import { descentOf } from '../scope/descent.ts'
import { channelSql } from './postgres-broker.ts'
import type { Session } from './postgres-sessions.ts'
import { fitted, sidecarOf } from './postgres-tables.ts'

/** The device of whoever writes by SQL: every other one conflicts with it, and it with nobody. */
export const otherWriters = '00000000-0000-7000-8000-000000000001'

/** Every statement, in the order in which they are run; each can be run again. @param place the schema that the tables are in. */
export function triggerStatements(schema: Schema, place: string): readonly string[] {
  const collections = Object.entries(schema.collections).filter(([name]) => !isSystemCollection(name))
  return [
    ...helpers(place),
    ...collections.map(([name, collection]) => followFunction({ schema, place, name, collection })),
    ...collections.flatMap(([name, collection]) => collectionStatements({ schema, place, name, collection })),
  ]
}

/**
 * Makes the triggers, or makes them anew when the schema asks for others. Those of a newer schema stay: a server that is about to be replaced
 * may start once more.
 */
export async function extendTriggers(session: Session, schema: Schema): Promise<void> {
  const [row] = await session.all('select current_schema()')
  const place = String(row?.[0])
  const statements = triggerStatements(schema, place)
  const hash = createHash('sha256').update(statements.join(';')).digest('base64url')
  const [made] = await session.all(`select value from _meta where key = 'triggers'`)
  const [version, madeHash] = String(made?.[0] ?? '0 ').split(' ')
  if (madeHash === hash || Number(version) > schema.version) return
  await session.all(statements.join(';\n'))
  for (const name of descentOf(schema).childrenFirst.toReversed()) {
    if (isSystemCollection(name)) continue
    await session.all(adoptSql({ schema, place, name, collection: collectionOf(schema, name) }))
  }
  await session.all(signatureSql, [`${schema.version} ${hash}`])
}

const signatureSql = `insert into _meta (key, value) values ('triggers', $1) on conflict (key) do update set value = excluded.value`

interface Given {
  readonly schema: Schema
  readonly place: string
  readonly name: string
  readonly collection: Collection
}

const literal = pg.escapeLiteral

/** Records up to which an announcement names the scopes: to find those of many costs more than devices that ask in vain. */
const announcedMax = 500

/** What Postgres gives NOTIFY is 8,000 bytes. */
const payloadMax = 7_500

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
function onRows(
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
type Passed = { readonly [name in (typeof passed)[number]]: string }

function definer(
  place: string,
  { name, given = '', returns, body }: { name: string; given?: string; returns: string; body: string },
): string {
  return `create or replace function ${name}(${given}) returns ${returns} language plpgsql security definer ${settings(place)} as $body$${body}$body$`
}

/** The entry that is there moves. */
const onFeed = `on conflict (record, collection, scope) do update
      set version = excluded.version, state = excluded.state, bytes = excluded.bytes, place = excluded.place, seq = excluded.seq`

const feedColumns = 'scope, collection, record, version, state, bytes, place, seq'

const lastSeq = `coalesce(nullif(current_setting('holdfast.seq', true), ''), '0')::bigint`
const thisPlace = 'pg_current_xact_id()::text::bigint'

function helpers(place: string): readonly string[] {
  return [
    // The stamp of a field whose last one is later, by a clock that ran ahead: what was outrun stays outrun (core's `outrunning`).
    `create or replace function _stamped_after(last jsonb, version bigint, ms bigint, writer text, now_stamp text) returns jsonb language sql immutable as $body$
  select case when last ->> 3 > now_stamp
    then jsonb_build_array(version, ${literal(otherWriters)}, writer, case when last ->> 5 = '1' then last ->> 3 else (last ->> 3) || '.' || (last ->> 1) end, ms, 1)
    else jsonb_build_array(version, ${literal(otherWriters)}, writer, now_stamp) end
$body$`,
    // A set in its one form: sorted by code point, each text once.
    `create or replace function _text_set(given jsonb, field text) returns jsonb language plpgsql immutable as $body$
declare
  made jsonb;
begin
  if given is null then return '[]'; end if;
  if jsonb_typeof(given) <> 'array' or jsonb_array_length(given) > 10000
    or jsonb_path_exists(given, '$[*] ? (@.type() <> "string")')
    or exists (select from jsonb_array_elements_text(given) t(text) where length(t.text) not between 1 and 200)
  then
    raise check_violation using message = format('%s must be a list of at most 10,000 texts of 1 to 200 characters.', field);
  end if;
  select coalesce(jsonb_agg(t.text order by t.text collate "C"), '[]') into made from (select distinct jsonb_array_elements_text(given) as text) t;
  return made;
end $body$`,
    definer(place, {
      name: '_announce',
      given: 'changed text, ids text[]',
      returns: 'void',
      body: `
declare
  payload text;
begin
  select json_build_object('place', ${thisPlace}, 'scopes', json_agg(distinct f.scope), 'device', null, 'from', null)::text into payload
  from unnest(ids) i(id) cross join lateral (
    select f.scope from _feed f where f.record = i.id and f.collection = changed and f.place = ${thisPlace} offset 0
  ) f;
  if ids is null or octet_length(payload) > ${payloadMax} then
    payload := json_build_object('place', ${thisPlace}, 'scopes', null, 'device', null, 'from', null)::text;
  end if;
  perform pg_notify(${channelSql}, payload);
end `,
    }),
    // Conflicts are where their record is; decisions leave with it, and come with it where the collection shows all history.
    definer(place, {
      name: '_luggage_follows',
      given: 'name text, ids text[], shows_all boolean',
      returns: 'void',
      body: `
declare
  filed bigint;
  subjects constant text[] := array(select name || ' ' || i.id from unnest(ids) i(id));
begin
  with about as (
    select ${literal(conflictsCollection)} as collection, c.id, c.record, s.version, true as follows, octet_length(c::text) as bytes
    from unnest(subjects) i(subject) cross join lateral (select * from ${quoted(conflictsCollection)} c where c.subject = i.subject offset 0) c
      cross join lateral (select version from ${sidecarOf(conflictsCollection)} s where s.id = c.id offset 0) s
    union all
    select ${literal(decisionsCollection)}, d.id, d.record, 1, shows_all, octet_length(d::text)
    from unnest(subjects) i(subject) cross join lateral (select * from ${quoted(decisionsCollection)} d where d.subject = i.subject offset 0) d
  ), entries as (
    select e.scope, a.collection, a.id, a.version, e.state, case e.state when 'present' then a.bytes else 0 end as bytes
    from about a cross join lateral (
      select r.scope, 'present' as state from _feed r
      where r.record = a.record and r.collection = name and r.state = 'present' and a.follows and not exists (
        select from _feed f where f.record = a.id and f.collection = a.collection and f.scope = r.scope and f.state = 'present')
      union all
      select f.scope, 'left' from _feed f
      where f.record = a.id and f.collection = a.collection and f.state = 'present' and not exists (
        select from _feed r where r.record = a.record and r.collection = name and r.scope = f.scope and r.state = 'present')
    ) e
  )
  insert into _feed (${feedColumns})
  select e.scope, e.collection, e.id, e.version, e.state, e.bytes, ${thisPlace}, ${lastSeq} + row_number() over () from entries e
  ${onFeed};
  get diagnostics filed = row_count;
  perform set_config('holdfast.seq', (${lastSeq} + filed)::text, true);
end `,
    }),
    'revoke all on function _announce(text, text[]) from public',
    'revoke all on function _luggage_follows(text, text[], boolean) from public',
  ]
}

/** Collections whose records lie where a record of this one lies. */
function childrenOf(
  { collections }: Schema,
  parent: string,
): readonly (readonly [name: string, collection: Collection, field: string])[] {
  return Object.entries(collections).flatMap(([name, collection]) => {
    const { scope } = collection
    return scope.kind === 'via' && scope.parent === parent ? [[name, collection, scope.field] as const] : []
  })
}

const functionOf = (name: string, what: string): string => quoted(fitted(`_${name}_${what}`))

/** What goes with records of a collection that went elsewhere: what is about them, and the records that lie where they lie. */
function followFunction({ schema, place, name, collection }: Given): string {
  const children = childrenOf(schema, name).map(([child, own, field]) => {
    const found = `unnest(ids) p(id) cross join lateral (
      select c.* from ${quoted(child)} c where c.${quoted(field)} = p.id offset 0
    ) c`
    return `
  with entries as (
    select e.scope, c.id, s.version, e.state, case e.state when 'present' then ${bytesOf(own, 'c', 's.states')} else 0 end as bytes
    from ${found}
    cross join lateral (select version, states from ${sidecarOf(child)} s where s.id = c.id offset 0) s
    cross join lateral (
      select r.scope, 'present' as state from _feed r
      where r.record = p.id and r.collection = ${literal(name)} and r.state = 'present' and not exists (
        select from _feed f where f.record = c.id and f.collection = ${literal(child)} and f.scope = r.scope and f.state = 'present')
      union all
      select f.scope, 'left' from _feed f
      where f.record = c.id and f.collection = ${literal(child)} and f.state = 'present' and not exists (
        select from _feed r where r.record = p.id and r.collection = ${literal(name)} and r.scope = f.scope and r.state = 'present')
    ) e
  ), filed as (
    insert into _feed (${feedColumns})
    select e.scope, ${literal(child)}, e.id, e.version, e.state, e.bytes, ${thisPlace}, ${lastSeq} + row_number() over () from entries e
    ${onFeed} returning record
  )
  select count(*), array_agg(distinct record) into filed, moved from filed;
  perform set_config('holdfast.seq', (${lastSeq} + filed)::text, true);
  if moved is not null then perform ${functionOf(child, 'follow')}(moved); end if;`
  })
  return definer(place, {
    name: functionOf(name, 'follow'),
    given: 'ids text[]',
    returns: 'void',
    body: `
declare
  filed bigint;
  moved text[];
begin
  perform _luggage_follows(${literal(name)}, ids, ${collection.history === 'all'});${children.join('')}
end `,
  })
}

function collectionStatements(given: Given): readonly string[] {
  const { name } = given
  const table = quoted(name)
  const foreign = `(current_setting('holdfast.origin', true) is distinct from 'server')`
  const trigger = (what: string, event: string, rest: string) =>
    `create or replace trigger ${quoted(`holdfast_${what}`)} ${event} on ${table} ${rest} execute function ${functionOf(name, what)}()`
  const sets = setFields(given.collection)
  const needsForm = sets.map((field) => `new.${quoted(field)} is distinct from '[]'`).join(' or ')
  const nowMs = 'floor(extract(epoch from statement_timestamp()) * 1000)::bigint'
  return [
    `alter table ${table} alter column id set default gen_random_uuid()::text,
  alter column "createdAt" set default ${nowMs}, alter column "updatedAt" set default ${nowMs}`,
    `revoke all on function ${functionOf(name, 'follow')}(text[]) from public`,
    insertedFunction(given),
    updatedFunction(given),
    deletedFunction(given),
    updatingFunction(given),
    `create or replace function ${functionOf(name, 'truncating')}() returns trigger language plpgsql as $body$
begin
  raise feature_not_supported using message = ${literal(`${name} cannot be truncated: devices would keep what is gone.`)},
    hint = ${literal(`Write: delete from ${table}.`)};
end $body$`,
    trigger('inserted', 'after insert', `referencing new table as _fresh for each statement when ${foreign}`),
    trigger(
      'updated',
      'after update',
      `referencing old table as _stale new table as _fresh for each statement when ${foreign}`,
    ),
    trigger('deleted', 'after delete', `referencing old table as _stale for each statement when ${foreign}`),
    trigger(
      'updating',
      'before update',
      `for each row when (${foreign} and ${differs(given.collection, 'old', 'new')})`,
    ),
    trigger('truncating', 'before truncate', `for each statement when ${foreign}`),
    ...(sets.length === 0
      ? []
      : [
          insertingFunction(given),
          trigger('inserting', 'before insert', `for each row when (${foreign} and (${needsForm}))`),
        ]),
  ]
}

/** Columns of ours: what an operator has added beside them is no change. */
function differs({ fields }: Collection, one: string, other: string): string {
  const list = (row: string) =>
    ['id', 'createdAt', 'updatedAt', ...Object.keys(fields)].map((column) => `${row}.${quoted(column)}`)
  return `(${list(one)}) is distinct from (${list(other)})`
}

function setFields({ fields }: Collection): readonly string[] {
  return Object.entries(fields).flatMap(([name, { rule }]) => (rule.kind === 'set' ? [name] : []))
}

function inForm({ name, collection }: Given): string {
  return setFields(collection)
    .map((field) => `  new.${quoted(field)} := _text_set(new.${quoted(field)}, ${literal(`${name}.${field}`)});\n`)
    .join('')
}

function rowFunction({ place, name }: Given, what: string, body: string): string {
  return `create or replace function ${functionOf(name, what)}() returns trigger language plpgsql set search_path = ${quoted(place)}, pg_catalog, pg_temp as $body$
begin
${body}  return new;
end $body$`
}

function insertingFunction(given: Given): string {
  return rowFunction(given, 'inserting', inForm(given))
}

function updatingFunction(given: Given): string {
  const { name, collection } = given
  const sets = setFields(collection)
  const body = `  if new.id <> old.id then
    raise feature_not_supported using message = ${literal(`${name}: the id of a record cannot be changed; delete the one and insert the other.`)};
  end if;
${inForm(given)}  if new."updatedAt" = old."updatedAt"${sets.length === 0 ? '' : ` and (${differs(collection, 'old', 'new')})`} then
    new."updatedAt" := greatest(old."updatedAt", floor(extract(epoch from statement_timestamp()) * 1000)::bigint);
  end if;
`
  // Without sets nothing needs a name of ours: a search path to set for each row would cost more than the rest.
  if (sets.length > 0) return rowFunction(given, 'updating', body)
  return `create or replace function ${functionOf(name, 'updating')}() returns trigger language plpgsql as $body$
begin
${body}  return new;
end $body$`
}

const fieldsOf = ({ fields }: Collection): readonly (readonly [name: string, rule: FieldRule])[] =>
  Object.entries(fields).map(([name, { rule }]) => [name, rule])

/** About what a row takes in a page, as row-bytes.ts tells it. */
function bytesOf(collection: Collection, row: string, states: string | null): string {
  const parts = fieldsOf(collection).map(([name, { kind }]) => {
    const column = `${row}.${quoted(name)}`
    switch (kind) {
      case 'text':
      case 'enum':
      case 'ref':
      case 'shared':
        return `coalesce(octet_length(${column}) + 3, 6)`
      case 'json':
      case 'set':
        return `coalesce(octet_length(${column}::text) + 1, 6)`
      default:
        return '6'
    }
  })
  const documents =
    states === null
      ? []
      : sharedFields(collection).map((name) => `coalesce(octet_length(${states} ->> ${literal(name)}), 0)`)
  return ['96', ...parts, ...documents].join(' + ')
}

/** The value that names a scope, as scopes.ts has it; null: none. */
function scopeValue(rule: FieldRule | undefined, column: string): string {
  switch (rule?.kind) {
    case 'integer':
    case 'instant':
    case 'counter':
    case 'boolean':
      return `${column}::text`
    case 'real':
      return numberText(column)
    case 'json':
      return `case jsonb_typeof(${column}) when 'string' then nullif(${column} #>> '{}', '') when 'boolean' then ${column} #>> '{}'
        when 'number' then ${numberText(`(${column} #>> '{}')::double precision`)} end`
    default:
      return `nullif(${column}, '')`
  }
}

/** A number as JavaScript writes it. */
function numberText(value: string): string {
  return `case when ${value} = 0 then '0' when abs(${value}) >= 1e21 or abs(${value}) < 1e-6
        then regexp_replace((${value})::text, 'e([+-])0+', 'e\\1') else (${value})::text::numeric::text end`
}

/** The scopes that a collection's own fields name, of a row under this alias; each null when there is none. */
function scopeTexts(collection: Collection, column: (field: string) => string): readonly string[] {
  return Object.entries(ownScopes(collection)).map(
    ([scope, field]) => `${literal(`${scope}:`)} || ${scopeValue(collection.fields[field]?.rule, column(field))}`,
  )
}

/** The scopes of the parent, `all` included; `all` where there is none. */
function parentScopes(parent: string, value: string): string {
  return `select 'all' as scope union
      select f.scope from ${sidecarOf(parent)} p join _feed f on f.record = p.id and f.collection = ${literal(parent)}
      where p.id = ${value}
        and case p.state when 'live' then f.state = 'present' else f.state = 'deleted' and f.version = p.version end`
}

/**
 * Locks the parents of what was written, those before and those after, and theirs, from the nearest on: a parent that moves waits for its
 * children's writers, or they for it. Between them nobody waits in a circle, since whoever moves a parent locks none of its children.
 */
function lockParents({ schema, name, collection }: Given, tables: readonly ('_fresh' | '_stale')[]): string {
  const { scope } = collection
  if (scope.kind !== 'via') return ''
  const steps: string[] = []
  let parent = scope.parent
  let source = tables.map((table) => `select n.${quoted(scope.field)} from ${table} n`).join(' union all ')
  const missing = `
  if found < cardinality(parents) and exists (
    select from _fresh n where n.${quoted(scope.field)} is not null and not exists (select from ${sidecarOf(parent)} p where p.id = n.${quoted(scope.field)})
  ) then
    raise foreign_key_violation using message = ${literal(`${name}.${scope.field}: there is no such record of ${parent}.`)};
  end if;`
  for (;;) {
    steps.push(`
  parents := array(select distinct x.id from (${source}) x(id) where x.id is not null);
  perform from ${sidecarOf(parent)} p where p.id = any(parents) order by p.id for share;`)
    if (steps.length === 1 && tables.includes('_fresh')) {
      steps.push(`
  get diagnostics found = row_count;${missing}`)
    }
    const next = schema.collections[parent]?.scope
    if (next?.kind !== 'via') return steps.join('')
    // Of a deleted one, the last.
    source = `select coalesce(r.${quoted(next.field)}, p."values" -> 'fields' ->> ${literal(next.field)})
      from unnest(parents) i(id) cross join lateral (select * from ${sidecarOf(parent)} p where p.id = i.id offset 0) p
      left join lateral (select * from ${quoted(parent)} r where r.id = i.id offset 0) r on true`
    parent = next.parent
  }
}

/** OW2: what JSON, a device or the merging could not take. */
function refuseValues({ name, collection }: Given): string {
  const bad = (condition: string, what: string) => ({ condition, what })
  const whole = 'between -9007199254740991 and 9007199254740991'
  const checks = [
    bad(
      `length(n.id) not between 1 and ${recordIdLengthMax}`,
      `id must be text of 1 to ${recordIdLengthMax} characters`,
    ),
    ...['createdAt', 'updatedAt'].map((column) =>
      bad(
        `n.${quoted(column)} not between ${instantMin} and ${instantMax}`,
        `${column} must be milliseconds since 1970`,
      ),
    ),
    ...fieldsOf(collection).flatMap(([field, { kind }]) => {
      const column = `n.${quoted(field)}`
      switch (kind) {
        case 'integer':
          return [bad(`${column} not ${whole}`, `${field} must be a whole number within ±(2^53 − 1)`)]
        case 'instant':
          return [
            bad(`${column} not between ${instantMin} and ${instantMax}`, `${field} must be milliseconds since 1970`),
          ]
        case 'counter':
          return [
            bad(
              `${column} is null or ${column} not ${whole}`,
              `${field} must be a whole number within ±(2^53 − 1), and is never null`,
            ),
          ]
        case 'shared':
          return [
            bad(
              `${column} is null or length(${column}) > 1000000`,
              `${field} must be text of at most 1,000,000 characters`,
            ),
          ]
        case 'text':
          return [bad(`octet_length(${column}) > 3000000`, `${field} must be text of at most 1,000,000 characters`)]
        case 'real':
          return [bad(`${column} in ('NaN', 'Infinity', '-Infinity')`, `${field} must be a finite number`)]
        case 'json':
          return [
            bad(
              `jsonb_path_exists(${column}, '$.**{32}') or ${column}::text ~ '"(__proto__|constructor|prototype)": '`,
              `${field} must be JSON of at most 31 levels, without keys that every object has`,
            ),
          ]
        default:
          return []
      }
    }),
  ]
  const problem = checks.map(({ condition, what }) => `when ${condition} then ${literal(`${name}: ${what}.`)}`)
  return `
  select case ${problem.join('\n    ')} end into problem from _fresh n
  where ${checks.map(({ condition }) => `(${condition})`).join(' or ')} limit 1;
  if problem is not null then raise check_violation using message = problem; end if;`
}

const declared = `
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

function insertedFunction(given: Given): string {
  const { place, name } = given
  return definer(place, {
    name: functionOf(name, 'inserted'),
    returns: 'trigger',
    body: `
declare${declared}
begin
  select count(*) into total from _fresh;
  if total = 0 then return null; end if;${takeIn(given)}
  perform _announce(${literal(name)}, ids);
  return null;
end `,
  })
}

/** Rows that were there before the triggers: a table that the platform had, and gives to devices now. */
function adoptSql(given: Given): string {
  const { name } = given
  return `do $adopt$
declare${declared}
begin
  create temporary table _fresh on commit drop as
    select * from ${quoted(name)} n where not exists (select from ${sidecarOf(name)} s where s.id = n.id);
  select count(*) into total from _fresh;
  if total > 0 then${takeIn(given)}
  end if;
  drop table _fresh;
end $adopt$`
}

function takeIn(given: Given): string {
  const { name, collection } = given
  const { scope, merge } = collection
  const states = merge.kind === 'causal' ? literal(JSON.stringify({ '': { [otherWriters]: 1 } })) : 'null'
  const scopes =
    scope.kind === 'via'
      ? parentScopes(scope.parent, `n.${quoted(scope.field)}`)
      : `values ${[`'all'`, ...scopeTexts(collection, (field) => `n.${quoted(field)}`)].map((text) => `(${text})`).join(', ')}`
  return `${refuseValues(given)}${lockParents(given, ['_fresh'])}
  insert into ${sidecarOf(name)} (id, version, state, stamps, states)
  select n.id, 1, 'live', created, ${states} from _fresh n order by n.id
  on conflict (id) do nothing;
  get diagnostics found = row_count;
  if found < total then
    raise unique_violation using message = ${literal(`${name}: the id of a record that was deleted is never given again.`)};
  end if;
  insert into _feed (${feedColumns})
  select s.scope, ${literal(name)}, n.id, 1, 'present', ${bytesOf(collection, 'n', null)}, this_place, last_seq + row_number() over (order by n.id)
  from _fresh n cross join lateral (${scopes}) s(scope) where s.scope is not null;
  get diagnostics filed = row_count;
  perform set_config('holdfast.seq', (last_seq + filed)::text, true);
  if total <= ${announcedMax} then ids := array(select n.id from _fresh n); end if;`
}

const old = (field: string): string => quoted(`old ${field}`)

function updatedFunction(given: Given): string {
  const { place, name, collection } = given
  const { scope } = collection
  const columns = ['createdAt', 'updatedAt', ...Object.keys(collection.fields)]
  const list = (alias: string) => columns.map((column) => `${alias}.${quoted(column)}`).join(', ')
  const isChanged = (field: string) => `c.${quoted(field)} is distinct from c.${old(field)}`
  const patched = (stamp: (field: string) => string) => {
    const stamps = Object.keys(collection.fields).map((field) => {
      return [field, `case when ${isChanged(field)} then ${stamp(field)} end`] as const
    })
    return `s.stamps::jsonb || jsonb_strip_nulls(${objectOf(stamps)})`
  }
  // One look at all stamps says that none is later: then none has to be asked for.
  const stamps = ({ now_ms, writer, now_stamp, now_path }: Passed) => `case
        when jsonb_path_exists(s.stamps::jsonb, '$.*[3] ? (@ > $now)', ${now_path}) then ${patched(
          (field) =>
            `_stamped_after(coalesce(s.stamps::jsonb -> ${literal(field)}, s.stamps::jsonb -> ''), s.version + 1, ${now_ms}, ${writer}, ${now_stamp})`,
        )}
        else ${patched(() => `jsonb_build_array(s.version + 1, ${literal(otherWriters)}, ${writer}::text, ${now_stamp}::text)`)} end`
  const states = statePatch(collection, isChanged)
  const scopeFields = scope.kind === 'via' ? [scope.field] : Object.values(scope.fields)
  const isMoved = scopeFields.map((field) => `m.${quoted(field)} is distinct from m.${old(field)}`).join(' or ')
  const shared = sharedFields(collection)
  const unmerged = [
    `m.states::jsonb ? '?'`,
    ...shared.map(
      (field) => `(m.${quoted(field)} is distinct from m.${old(field)} and m.states::jsonb ? ${literal(field)})`,
    ),
  ].join(' or ')
  const now = scopeTexts(collection, (field) => `m.${quoted(field)}`)
  const before = scopeTexts(collection, (field) => `m.${old(field)}`)
  const entries =
    scope.kind === 'via'
      ? `with held as materialized (${parentScopes(scope.parent, `m.${quoted(scope.field)}`)})
      select h.scope, 'present' as state from held h
      union all
      select f.scope, 'left' from _feed f
      where f.record = m.id and f.collection = ${literal(name)} and f.state = 'present' and f.scope not in (select h.scope from held h)`
      : `values ${[
          `('all', 'present')`,
          ...now.map((text) => `(${text}, 'present')`),
          ...before.map((text, index) => `(nullif(${text}, ${now[index] ?? 'null'}), 'left')`),
        ].join(', ')}`
  const update = (names: Passed) => `
  with changed as materialized (
    select n.id, ${list('n')}, ${columns.map((column) => `o.${quoted(column)} as ${old(column)}`).join(', ')}
    from _fresh n join _stale o on o.id = n.id where (${list('n')}) is distinct from (${list('o')})
  ), moved as (
    update ${sidecarOf(name)} s set version = s.version + 1,
      stamps = (${stamps(names)})::json${states === null ? '' : `,\n      states = ${states}`}
    from changed c where s.id = c.id
    returning s.version, s.states, c.*
  ), noted as (
    insert into _unmerged (collection, record) select ${literal(name)}, m.id from moved m where m.states is not null and (${unmerged})
    on conflict do nothing
  ), filed as (
    insert into _feed (${feedColumns})
    select e.scope, ${literal(name)}, m.id, m.version, e.state, case e.state when 'present' then ${bytesOf(collection, 'm', 'm.states')} else 0 end,
      ${names.this_place}, ${names.last_seq} + row_number() over (order by m.id)
    from moved m cross join lateral (${entries}) e(scope, state)
    where e.scope is not null and (e.state = 'present' or (
      select f.state from _feed f where f.record = m.id and f.collection = ${literal(name)} and f.scope = e.scope
    ) = 'present')
    ${onFeed} returning 1
  )
  select count(*), array_agg(m.id)${isMoved === '' ? '' : ` filter (where ${isMoved})`}, (select count(*) from filed)
  /* into */ from moved m`
  return definer(place, {
    name: functionOf(name, 'updated'),
    returns: 'trigger',
    body: `
declare${declared}
begin
  select count(*) into total from _fresh;
  if total = 0 then return null; end if;${refuseValues(given)}${lockParents(given, ['_fresh', '_stale'])}${onRows(update, { rows: 'total', into: 'total, travellers, filed' })}
  if total = 0 then return null; end if;
  perform set_config('holdfast.seq', (last_seq + filed)::text, true);
  ${isMoved === '' ? '' : `if travellers is not null then perform ${functionOf(name, 'follow')}(travellers); end if;`}
  if total <= ${announcedMax} then ids := array(select n.id from _fresh n); end if;
  perform _announce(${literal(name)}, ids);
  return null;
end `,
  })
}

/** What merging needs beside the values, after a change of them; null: of this collection nothing. */
function statePatch(collection: Collection, isChanged: (field: string) => string): string | null {
  const known = `coalesce(s.states::jsonb, '{}')`
  const marks = setFields(collection).map((field) => {
    const [now, was, key] = [`c.${quoted(field)}`, `c.${old(field)}`, literal(field)]
    const last = `coalesce(s.stamps::jsonb -> ${key}, s.stamps::jsonb -> '')`
    // A text that was there without a mark counts as added by the field's last writer.
    const mark = `coalesce(${known} -> ${key} -> t.text, case when ${was} ? t.text
      then jsonb_build_object(${last} ->> 1, ${last} -> 0) else jsonb_build_object(${literal(otherWriters)}, s.version + 1) end)`
    return [
      field,
      `case when ${isChanged(field)} then (select coalesce(jsonb_object_agg(t.text, ${mark}), '{}') from jsonb_array_elements_text(${now}) t(text)) end`,
    ] as const
  })
  // A vector that nobody has written yet is told by the stamps.
  const vector =
    collection.merge.kind === 'causal'
      ? [['', `${known} -> '' || jsonb_build_object(${literal(otherWriters)}, s.version + 1)`] as const]
      : []
  if (marks.length + vector.length === 0) return null
  return `nullif(${known} || jsonb_strip_nulls(${objectOf([...vector, ...marks])}), '{}')::json`
}

/** Of a call that makes an object: a function of Postgres takes at most 100 arguments. */
const membersMax = 50

function objectOf(
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

function deletedFunction(given: Given): string {
  const { place, name, collection } = given
  const fields = Object.keys(collection.fields).map((field) => [field, `o.${quoted(field)}`] as const)
  // Without the detour over jsonb where one call can take all.
  const whole = fields.length <= membersMax ? objectOf(fields, 'json') : objectOf(fields)
  const values = `json_build_object('createdAt', o."createdAt", 'updatedAt', o."updatedAt", 'fields', ${whole})`
  const remove = ({ this_place, last_seq, writer, now_stamp }: Passed) => `
  with gone as (
    update ${sidecarOf(name)} s set version = s.version + 1, state = 'deleted', "values" = ${values},
      stamps = (s.stamps::jsonb || jsonb_build_object('$deleted', jsonb_build_array(s.version + 1, ${literal(otherWriters)}, ${writer}::text, ${now_stamp}::text)))::json
    from _stale o where s.id = o.id
    returning s.id, s.version, s.states
  ), noted as (
    insert into _unmerged (collection, record) select ${literal(name)}, g.id from gone g where g.states is not null and g.states::jsonb ? '?'
    on conflict do nothing
  ), filed as (
    insert into _feed (${feedColumns})
    select f.scope, ${literal(name)}, g.id, g.version, 'deleted', 0, ${this_place}, ${last_seq} + row_number() over (order by g.id)
    from gone g cross join lateral (
      select f.scope from _feed f where f.record = g.id and f.collection = ${literal(name)} and f.state = 'present' offset 0
    ) f
    ${onFeed} returning 1
  )
  select count(*), (select count(*) from filed) /* into */ from gone`
  return definer(place, {
    name: functionOf(name, 'deleted'),
    returns: 'trigger',
    body: `
declare${declared}
begin
  select count(*) into total from _stale;
  if total = 0 then return null; end if;${lockParents(given, ['_stale'])}${onRows(remove, { rows: 'total', into: 'total, filed' })}
  if total = 0 then return null; end if;
  perform set_config('holdfast.seq', (last_seq + filed)::text, true);
  if total <= ${announcedMax} then ids := array(select o.id from _stale o); end if;
  perform _announce(${literal(name)}, ids);
  return null;
end `,
  })
}
