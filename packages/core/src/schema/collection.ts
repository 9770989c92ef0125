import type { Field } from './field.ts'
import { type DeleteStrategy, type MergeOption, type MergeStrategy, mergeStrategy } from './merge-strategy.ts'

export type Fields = { readonly [name: string]: Field }

/** Columns that every collection has; the engine writes them, an operation never carries them. */
export const systemColumns = ['id', 'createdAt', 'updatedAt'] as const
export type SystemColumn = (typeof systemColumns)[number]

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
  /** Scope name → the field that holds the scope's value: `{ agent: 'owner' }` puts a lead into scope agent:<its owner>. */
  readonly scope: { readonly [name: string]: string }
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
    scope: options.scope ?? {},
  }
}
