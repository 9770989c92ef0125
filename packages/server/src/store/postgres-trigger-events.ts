/** The functions of the statement triggers: what rows that came, changed or went leave in sidecar and feed. */
import { type Collection, quoted, sharedFields } from '@holdfast/core'
import { sidecarOf } from './postgres-tables.ts'
import {
  announcedMax,
  declared,
  definer,
  feedColumns,
  functionOf,
  type Given,
  literal,
  membersMax,
  objectOf,
  onFeed,
  onRows,
  otherWriters,
  type Passed,
  setFields,
} from './postgres-trigger-parts.ts'
import { bytesOf, lockParents, parentScopes, refuseValues, scopeTexts } from './postgres-trigger-values.ts'

export function insertedFunction(given: Given): string {
  const { place, name } = given
  return definer(place, {
    name: functionOf(name, 'inserted'),
    returns: 'trigger',
    body: `
declare${declared}
begin${ownTable(given)}
  select count(*) into total from _fresh;
  if total = 0 then return null; end if;${takeIn(given)}
  perform _announce(${literal(name)}, ids);
  return null;
end `,
  })
}

/** OW4: of rows of another table it would tell devices what is not so. */
function ownTable({ place, name }: Given): string {
  return `
  if tg_relid <> ${literal(`${quoted(place)}.${quoted(name)}`)}::regclass then
    raise insufficient_privilege using message = ${literal(`This function is for ${name} alone.`)};
  end if;`
}

/** Rows that were there before the triggers: a table that the platform had, and gives to devices now. */
export function adoptSql(given: Given): string {
  const { name } = given
  return `do $adopt$
declare${declared}
begin
  -- Without rows, without the right to make temporary tables.
  if not exists (select from ${quoted(name)} n where not exists (select from ${sidecarOf(name)} s where s.id = n.id)) then return; end if;
  create temporary table _fresh on commit drop as
    select * from ${quoted(name)} n where not exists (select from ${sidecarOf(name)} s where s.id = n.id);
  select count(*) into total from _fresh;${takeIn(given)}
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

export function updatedFunction(given: Given): string {
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
  // One statement can change a row more than once (foreign keys with cascade): what is both before and after is a step between. Its first form and its last remain.
  const steps = (table: string, other: string) =>
    `(select id, ${columns.map(quoted).join(', ')} from ${table} except all select id, ${columns.map(quoted).join(', ')} from ${other})`
  const once = { fresh: '_fresh', stale: '_stale' }
  const often = { fresh: steps('_fresh', '_stale'), stale: steps('_stale', '_fresh') }
  const updateOf =
    ({ fresh, stale }: typeof once) =>
    (names: Passed) =>
      `
  with changed as materialized (
    select n.id, ${list('n')}, ${columns.map((column) => `o.${quoted(column)} as ${old(column)}`).join(', ')}
    from ${fresh} n join ${stale} o on o.id = n.id where (${list('n')}) is distinct from (${list('o')})
  ), moved as (
    update ${sidecarOf(name)} s set version = s.version + 1,
      stamps = (${stamps(names)})::json${states === null ? '' : `,\n      states = ${states}`}
    from changed c where s.id = c.id and s.state = 'live'
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
begin${ownTable(given)}
  select count(*) into total from _fresh;
  if total = 0 then return null; end if;${refuseValues(given)}${lockParents(given, ['_fresh', '_stale'])}
  if total = (select count(distinct id) from _fresh) then${onRows(updateOf(once), { rows: 'total', into: 'total, travellers, filed' })}
  else${onRows(updateOf(often), { rows: 'total', into: 'total, travellers, filed' })}
  end if;
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

export function deletedFunction(given: Given): string {
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
begin${ownTable(given)}
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
