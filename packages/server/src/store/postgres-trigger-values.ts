/** Values, scopes and parents of rows that another program writes, as SQL: the same as push and scope have them for devices. */
import {
  type Collection,
  type FieldRule,
  instantMax,
  instantMin,
  ownScopes,
  quoted,
  recordIdLengthMax,
  sharedFields,
} from '@holdfast/core'
import { sidecarOf } from './postgres-tables.ts'
import { fieldsOf, type Given, literal } from './postgres-trigger-parts.ts'

/** Columns of ours: what an operator has added beside them is no change. */
export function differs({ fields }: Collection, one: string, other: string): string {
  const list = (row: string) =>
    ['id', 'createdAt', 'updatedAt', ...Object.keys(fields)].map((column) => `${row}.${quoted(column)}`)
  return `(${list(one)}) is distinct from (${list(other)})`
}

/** About what a row takes in a page, as row-bytes.ts tells it. */
export function bytesOf(collection: Collection, row: string, states: string | null): string {
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
export function scopeTexts(collection: Collection, column: (field: string) => string): readonly string[] {
  return Object.entries(ownScopes(collection)).map(
    ([scope, field]) => `${literal(`${scope}:`)} || ${scopeValue(collection.fields[field]?.rule, column(field))}`,
  )
}

/** The scopes of the parent, `all` included; `all` where there is none. */
export function parentScopes(parent: string, value: string): string {
  return `select 'all' as scope union
      select f.scope from ${sidecarOf(parent)} p join _feed f on f.record = p.id and f.collection = ${literal(parent)}
      where p.id = ${value}
        and case p.state when 'live' then f.state = 'present' else f.state = 'deleted' and f.version = p.version end`
}

/**
 * Locks what was written and has parents, then the parents, those before and those after, and theirs, from the nearest on: the order of the
 * server (push/gather.ts). A parent that moves waits for its children's writers, or they for it. Between them nobody waits in a circle,
 * since whoever moves a parent locks none of its children.
 */
export function lockParents({ schema, name, collection }: Given, tables: readonly ('_fresh' | '_stale')[]): string {
  const { scope } = collection
  if (scope.kind !== 'via') return ''
  // Their sidecars: the rows are locked by the statement itself. What is inserted has none yet.
  const steps = tables.includes('_stale')
    ? [
        `
  perform from ${sidecarOf(name)} s where s.id = any(array(select o.id from _stale o)) order by s.id for update;`,
      ]
    : []
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
    if (parent === scope.parent && tables.includes('_fresh')) {
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

const wideNumbers = '$.** ? (@.type() == "number" && (@ > 9007199254740991 || @ < -9007199254740991))'

/** OW2: what JSON, a device or the merging could not take. */
export function refuseValues({ name, collection }: Given): string {
  const bad = (condition: string, what: string) => ({ condition, what })
  const whole = 'between -9007199254740991 and 9007199254740991'
  const checks = [
    bad(
      // As JavaScript counts: what lies beyond 16 bits is two.
      `length(n.id) not between 1 and ${recordIdLengthMax} or (octet_length(n.id) > ${recordIdLengthMax}
        and length(n.id) + length(regexp_replace(n.id, '[^\\U00010000-\\U0010FFFF]', '', 'g')) > ${recordIdLengthMax})`,
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
        case 'enum':
        case 'ref':
          return [bad(`octet_length(${column}) > 3000000`, `${field} must be text of at most 3,000,000 bytes`)]
        case 'real':
          return [bad(`${column} in ('NaN', 'Infinity', '-Infinity')`, `${field} must be a finite number`)]
        case 'json':
          return [
            bad(
              `jsonb_path_exists(${column}, '$.**{32}') or ${column}::text ~ '"(__proto__|constructor|prototype)": '`,
              `${field} must be JSON of at most 31 levels, without keys that every object has`,
            ),
            bad(`octet_length(${column}::text) > 3000000`, `${field} must be JSON of at most 3,000,000 bytes`),
            // Those of a device are what JavaScript writes, and come back as they are.
            bad(
              `case when jsonb_path_exists(${column}, ${literal(wideNumbers)}) then exists (
        select from jsonb_path_query(${column}, ${literal(wideNumbers)}) v(number) where case
          when abs((v.number #>> '{}')::numeric) > 1.7976931348623157e308 then true
          else (v.number #>> '{}')::double precision::text::numeric <> (v.number #>> '{}')::numeric end) end`,
              `${field} must be JSON without numbers that JavaScript would change (whole ones beyond 2^53)`,
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
