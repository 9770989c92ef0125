import { UsageError } from '../errors.ts'
import type { Field } from './field.ts'
import { type DeleteStrategy, type MergeOption, type MergeStrategy, mergeStrategy } from './merge-strategy.ts'

export type Fields = { readonly [name: string]: Field }

/** Columns that every collection has; the engine writes them, an operation never carries them. */
export const systemColumns = ['id', 'createdAt', 'updatedAt'] as const
export type SystemColumn = (typeof systemColumns)[number]

/**
 * Which scopes, beside `all`, a record lies in.
 *   own  scope name → the field that holds the scope's value
 *   via  those of its parent: the record of `parent` that the `t.ref` field names; none without a parent
 */
export type ScopeRule =
  | { readonly kind: 'own'; readonly fields: { readonly [name: string]: string } }
  | { readonly kind: 'via'; readonly field: string; readonly parent: string }

export interface Collection<F extends Fields = Fields> {
  readonly fields: F
  /** Column lists, each an index on the device and on the server. */
  readonly indexes: readonly (readonly string[])[]
  /** Fields that `search` looks in. */
  readonly search: readonly string[]
  readonly merge: MergeStrategy
  readonly deletes: DeleteStrategy
  /** Which decisions a device that comes to hold a record is shown: 'scope', those since the record entered its scope; 'all'. */
  readonly history: 'scope' | 'all'
  readonly scope: ScopeRule
}

export interface CollectionOptions<F extends Fields> {
  readonly fields: F
  readonly indexes?: readonly (readonly (Extract<keyof F, string> | SystemColumn)[])[]
  readonly search?: readonly Extract<keyof F, string>[]
  /** 'fields' when it is left out. */
  readonly merge?: MergeOption
  /** 'deleteWins' when it is left out. */
  readonly deletes?: DeleteStrategy
  readonly history?: Collection['history']
  /**
   * `{ agent: 'owner' }` puts a lead into the scope agent:<its owner>; `{ via: 'lead' }` puts a call where its lead is, and takes it
   * along when the lead moves. Left out: `all` only.
   */
  readonly scope?: { readonly [name: string]: Extract<keyof F, string> }
}

export function collection<const F extends Fields>(options: CollectionOptions<F>): Collection<F> {
  return {
    fields: options.fields,
    indexes: options.indexes ?? [],
    search: options.search ?? [],
    merge: mergeStrategy(options.merge ?? 'fields'),
    deletes: options.deletes ?? 'deleteWins',
    history: options.history ?? 'scope',
    scope: scopeRule(options.scope ?? {}, options.fields),
  }
}

function scopeRule(option: { readonly [name: string]: string }, fields: Fields): ScopeRule {
  if (!Object.hasOwn(option, 'via')) return { kind: 'own', fields: option }
  const { via = '', ...others } = option
  const rule = Object.hasOwn(fields, via) ? fields[via]?.rule : undefined
  if (rule?.kind !== 'ref' || Object.keys(others).length > 0) {
    throw new UsageError(
      `scope: { via: "${via}" } stands alone and names a t.ref field; the record lies where the one lies that the field refers to.`,
    )
  }
  return { kind: 'via', field: via, parent: rule.collection }
}

/** Scope name → field, of a collection that names scopes itself. */
export function ownScopes({ scope }: Pick<Collection, 'scope'>): { readonly [name: string]: string } {
  return scope.kind === 'own' ? scope.fields : {}
}
