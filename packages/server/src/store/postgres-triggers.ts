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
 *      before it serves or judges anything: see push/merge-written.ts. A server of an older schema works out what it knows, and leaves the note to
 *      the newer ones.
 * OW6  What a foreign key or a trigger of the operator writes while the server writes is another program's write. A row that is gone past the triggers
 *      is a deleted record to whoever edits it next, and no reason to refuse others.
 */
import { createHash } from 'node:crypto'
import { collectionOf, isSystemCollection, quoted, type Schema } from '@holdfast/core'
import { descentOf } from '../scope/descent.ts'
import type { Session } from './postgres-sessions.ts'
import { sidecarOf } from './postgres-tables.ts'
import { adoptSql, deletedFunction, insertedFunction, updatedFunction } from './postgres-trigger-events.ts'
import { followFunction, helpers } from './postgres-trigger-helpers.ts'
import { functionOf, type Given, literal, setFields } from './postgres-trigger-parts.ts'
import { differs } from './postgres-trigger-values.ts'

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
 * Makes the triggers, or makes them anew when the schema asks for others, and takes in rows that were there before. Those of a newer schema stay: a server that is about to be replaced
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
    const given = { schema, place, name, collection: collectionOf(schema, name) }
    for (const field of setFields(given.collection)) await session.all(adoptedSetSql(name, field))
    await session.all(adoptSql(given))
  }
  await session.all(signatureSql, [`${schema.version} ${hash}`])
}

/** Rows that were there before have their sets as they were written. */
function adoptedSetSql(name: string, field: string): string {
  const inForm = `_text_set(n.${quoted(field)}, ${literal(`${name}.${field}`)})`
  return `update ${quoted(name)} n set ${quoted(field)} = ${inForm}
    where not exists (select from ${sidecarOf(name)} s where s.id = n.id) and n.${quoted(field)} is distinct from ${inForm}`
}

const signatureSql = `insert into _meta (key, value) values ('triggers', $1) on conflict (key) do update set value = excluded.value`

function collectionStatements(given: Given): readonly string[] {
  const { name } = given
  const table = quoted(name)
  // Within a statement of the server, what a foreign key or a trigger of the operator writes is another program's write [OW6].
  const foreign = `(current_setting('holdfast.origin', true) is distinct from 'server' or pg_trigger_depth() > 0)`
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
    // Whoever may execute them could make triggers of them on a table of his own [OW4]. A trigger that is there asks for no such right.
    ...['inserted', 'updated', 'deleted'].map(
      (what) => `revoke all on function ${functionOf(name, what)}() from public`,
    ),
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
