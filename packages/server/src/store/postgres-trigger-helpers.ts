/** Functions that the triggers call: stamps, sets, announcements, and what goes with a record that moves. */
import { type Collection, conflictsCollection, decisionsCollection, quoted, type Schema } from '@holdfast/core'
import { channelSql } from './postgres-broker.ts'
import { sidecarOf } from './postgres-tables.ts'
import {
  definer,
  feedColumns,
  functionOf,
  type Given,
  lastSeq,
  literal,
  onFeed,
  otherWriters,
  thisPlace,
} from './postgres-trigger-parts.ts'
import { bytesOf } from './postgres-trigger-values.ts'

/** What Postgres gives NOTIFY is 8,000 bytes. */
const payloadMax = 7_500

export function helpers(place: string): readonly string[] {
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
    // Row triggers call it, with the rights of the writer: also where a database gives PUBLIC nothing by default.
    'grant execute on function _text_set(jsonb, text) to public',
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

/** What goes with records of a collection that went elsewhere: what is about them, and the records that lie where they lie. */
export function followFunction({ schema, place, name, collection }: Given): string {
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
