import type { Field } from './field.ts'

/**
 * How edits of two devices to one record become one:
 *   'fields'  each field by itself; two edits of the same field that did not know of each other: the later one stands
 *   'lww'     each field takes the latest write by hybrid logical clock, whatever its writer had seen
 */
export type MergeStrategy = 'fields' | 'lww'

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
  /** Scope name → the field that holds the scope's value: `{ agent: 'owner' }` puts a lead into scope agent:<its owner>. */
  readonly scope: { readonly [name: string]: string }
}

export interface CollectionOptions<F extends Fields> {
  readonly fields: F
  readonly indexes?: readonly (readonly (Extract<keyof F, string> | SystemColumn)[])[]
  readonly search?: readonly Extract<keyof F, string>[]
  readonly merge?: MergeStrategy
  readonly scope?: { readonly [name: string]: Extract<keyof F, string> }
}

export function collection<const F extends Fields>(options: CollectionOptions<F>): Collection<F> {
  return {
    fields: options.fields,
    indexes: options.indexes ?? [],
    search: options.search ?? [],
    merge: options.merge ?? 'fields',
    scope: options.scope ?? {},
  }
}
