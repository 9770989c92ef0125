import { UsageError } from '../errors.ts'
import { type Collection, ownScopes, systemColumns } from './collection.ts'
import { checkMigrations, type Migrations } from './migration.ts'

export type Collections = { readonly [name: string]: Collection }

export interface Schema<C extends Collections = Collections> {
  /** Counts up with each release that changes the schema; each operation says under which it was written. */
  readonly version: number
  /** Apps of earlier versions than this one are told to update; what they keep waits for that. */
  readonly oldest: number
  readonly migrations: Migrations
  readonly collections: C
}

export interface SchemaOptions<C extends Collections> {
  readonly version: number
  /** The oldest version whose apps are served; 1 when it is left out. */
  readonly oldest?: number
  /** How fields of earlier versions became those of `collections`; what is added needs none. */
  readonly migrations?: Migrations
  readonly collections: C
}

/** Names of the client's own members: a collection of that name could not be reached. */
export const reservedCollectionNames = [
  'write',
  'query',
  'watch',
  'search',
  'sync',
  'inbox',
  'conflicts',
  'history',
  'explain',
  'rescue',
  'kv',
  'signOut',
  'close',
  'user',
  'then',
] as const

const nameRule = 'a name is a lower-case letter, then up to 62 letters and digits, and nothing that every object has.'
const namePattern = /^[a-z][A-Za-z0-9]{0,62}$/

// Names that every object has by inheritance (toString, constructor) would be found where they were not given.
const isName = (name: string): boolean => namePattern.test(name) && !(name in {}) && name !== 'prototype'

/** Checks a schema once and for all; throws `UsageError` that names what to change. */
export function defineSchema<const C extends Collections>(options: SchemaOptions<C>): Schema<C> {
  const { version, oldest = 1, migrations = {}, collections } = options
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new UsageError(`A schema's version is a whole number from 1; got ${version}.`)
  }
  if (!Number.isSafeInteger(oldest) || oldest < 1 || oldest > version) {
    throw new UsageError(`The oldest version that is served is a whole number from 1 to ${version}; got ${oldest}.`)
  }
  const schema: Schema<C> = { version, oldest, migrations, collections }
  refuseDuplicates(Object.keys(schema.collections), 'Collections')
  for (const [name, collection] of Object.entries(schema.collections)) checkCollection(schema, name, collection)
  for (const name of Object.keys(schema.collections)) checkParents(schema, name)
  checkMigrations(schema, isName)
  return schema
}

/** Parents above a record at most, by `scope: { via }`: each is a look at the database when a record is written. */
export const parentsMax = 4

function checkParents(schema: Schema, name: string): void {
  const path = [name]
  for (
    let scope = schema.collections[name]?.scope;
    scope?.kind === 'via';
    scope = schema.collections[scope.parent]?.scope
  ) {
    const isCycle = path.includes(scope.parent)
    path.push(scope.parent)
    if (isCycle) {
      throw new UsageError(
        `The scopes of "${name}" are found via ${path.join(' → ')}, in a circle; one collection has to name its scopes itself.`,
      )
    }
  }
  if (path.length - 1 > parentsMax) {
    throw new UsageError(`The scopes of "${name}" are found via ${path.join(' → ')}; at most ${parentsMax} parents.`)
  }
}

function checkCollection(schema: Schema, name: string, collection: Collection): void {
  if (!isName(name)) {
    throw new UsageError(`Collection "${name}": ${nameRule}`)
  }
  if ((reservedCollectionNames as readonly string[]).includes(name)) {
    throw new UsageError(`Collection "${name}" is named like a member of the client; choose another name.`)
  }
  refuseDuplicates([...systemColumns, ...Object.keys(collection.fields)], `Fields of "${name}"`)
  const columns = [...systemColumns, ...Object.keys(collection.fields)]
  for (const [fieldName, field] of Object.entries(collection.fields)) {
    if (!isName(fieldName)) {
      throw new UsageError(`Field "${name}.${fieldName}": ${nameRule}`)
    }
    const { rule } = field
    if (rule.kind === 'ref' && !Object.hasOwn(schema.collections, rule.collection)) {
      throw new UsageError(`Field "${name}.${fieldName}" refers to "${rule.collection}", which is not a collection.`)
    }
    if ('min' in rule && rule.min > rule.max) {
      throw new UsageError(`Field "${name}.${fieldName}": min ${rule.min} is above max ${rule.max}.`)
    }
  }
  for (const column of [...collection.indexes.flat(), ...Object.values(ownScopes(collection))]) {
    const kind = collection.fields[column]?.rule.kind
    if (kind !== 'set' && kind !== 'shared') continue
    throw new UsageError(
      `Collection "${name}" has the ${kind} "${column}" in an index or a scope; both take plain values.`,
    )
  }
  for (const column of [...collection.indexes.flat(), ...collection.search, ...Object.values(ownScopes(collection))]) {
    if (!columns.includes(column)) {
      throw new UsageError(`Collection "${name}" names the column "${column}", which it does not have.`)
    }
  }
}

// SQLite compares the names of tables and columns without case.
function refuseDuplicates(names: readonly string[], what: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    const folded = name.toLowerCase()
    if (seen.has(folded))
      throw new UsageError(
        `${what}: "${name}" is taken (case does not count, and id, createdAt, updatedAt are system columns).`,
      )
    seen.add(folded)
  }
}
