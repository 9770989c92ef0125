/**
 * Where records lie while a batch is judged: what the store says, with what the batch did so far over it. Every answer about a record's
 * scopes comes from here.
 *
 * LO1  A record with `scope: { via }` lies where its parent lies now; without a parent, in `all` alone.
 * LO2  What the store has as deleted stays where it was deleted, and so do those below it.
 */
import {
  type Collection,
  collectionOf,
  type RecordId,
  type RecordValues,
  type Schema,
  type ServerRecord,
} from '@holdfast/core'
import type { Located, Scope, Whereabouts } from '../ports/server-store.ts'
import { scopeAll, scopesOfValues } from './scopes.ts'

export interface Locator {
  /** Where the store has a record. */
  stored(collection: string, record: RecordId, stored: ServerRecord): readonly Scope[]
  /** Where a record lies now; null: there is none, or none that this batch is about. */
  now(collection: string, record: RecordId): readonly Scope[] | null
  /** Where a live record of these values lies, or would lie. */
  withValues(collection: string, values: RecordValues): readonly Scope[]
  /** A record that others may lie under. Null: there is none. */
  parent(collection: string, record: RecordId): Parent | null
}

export interface Parent {
  readonly state: ServerRecord['state']
  readonly scopes: readonly Scope[]
}

export interface LocatorPorts {
  readonly schema: Schema
  /** Of a schema with parents: every record of the batch that lies via one, every parent that it has or may get, and all above them. */
  readonly located: Located
  readonly stored: (collection: string, record: RecordId) => ServerRecord | null
  /** What the batch has made of a record; null: nothing. */
  readonly changed: (collection: string, record: RecordId) => ServerRecord | null
}

export function createLocator({ schema, located, stored, changed }: LocatorPorts): Locator {
  const whereaboutsOf = (name: string, id: RecordId): Whereabouts | null => located.get(name)?.get(id) ?? null

  const withValues = (name: string, values: RecordValues): readonly Scope[] => {
    const collection = collectionOf(schema, name)
    const { scope } = collection
    if (scope.kind === 'own') return scopesOfValues(collection, values)
    const parent = parentIn(collection, values)
    return (parent === null ? null : now(scope.parent, parent)) ?? [scopeAll]
  }

  const now = (name: string, id: RecordId): readonly Scope[] | null => {
    const { scope } = collectionOf(schema, name)
    const change = changed(name, id)
    const whereabouts = whereaboutsOf(name, id)
    const staysDeleted = scope.kind === 'via' && whereabouts?.state === 'deleted' && change?.state !== 'live'
    if (change !== null && !staysDeleted) return withValues(name, change.values)
    const record = stored(name, id)
    if (record !== null && scope.kind === 'own') return withValues(name, record.values)
    if (whereabouts === null) return null
    if (scope.kind === 'own' || staysDeleted) return known(whereabouts)
    const { parent } = whereabouts
    // The feed knows it for all of the chain; what the batch moved above it does not stand there yet.
    return parent !== null && isChanged(scope.parent, parent) ? now(scope.parent, parent) : known(whereabouts)
  }

  /** Whether the batch did something to the record or to one above it. */
  const isChanged = (name: string, id: RecordId): boolean => {
    if (changed(name, id) !== null) return true
    const { scope } = collectionOf(schema, name)
    const parent = whereaboutsOf(name, id)?.parent ?? null
    return scope.kind === 'via' && parent !== null && isChanged(scope.parent, parent)
  }

  return {
    stored: (name, id, record) => {
      const collection = collectionOf(schema, name)
      if (collection.scope.kind === 'own') return scopesOfValues(collection, record.values)
      const whereabouts = whereaboutsOf(name, id)
      return whereabouts === null ? [scopeAll] : known(whereabouts)
    },
    now,
    withValues,
    parent: (name, id) => {
      const state = (changed(name, id) ?? stored(name, id) ?? whereaboutsOf(name, id))?.state
      const scopes = now(name, id)
      return state === undefined || scopes === null ? null : { state, scopes }
    },
  }
}

/** The record that these values put it under. */
export function parentIn({ scope }: Collection, { fields }: RecordValues): RecordId | null {
  const parent = scope.kind === 'via' ? fields[scope.field] : null
  return typeof parent === 'string' ? parent : null
}

/** A record without an entry was written past the server; it is in no scope but that of those who see everything. */
function known({ scopes }: Whereabouts): readonly Scope[] {
  return scopes.length === 0 ? [scopeAll] : scopes
}
