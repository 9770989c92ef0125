/**
 * Field types: what a value may be, how it is stored and what an app writes in its schema. A field is plain data; its type
 * parameter carries the TypeScript type, so that an app's types need no code generation.
 *
 *   kind      value in TypeScript     column (device, embedded)   column (Postgres)   canonical form
 *   text      string                  text                        text                well-formed Unicode without NUL
 *   integer   number                  integer                     bigint              |n| ≤ 2^53 − 1
 *   real      number                  real                        double precision    finite; −0 is 0
 *   boolean   boolean                 integer 0 or 1              boolean             true or false on the wire
 *   instant   number                  integer                     bigint              milliseconds since 1970, UTC
 *   enum      one of its texts        text                        text                one of its texts
 *   json      any JSON                text                        jsonb               keys sorted, no spaces
 *   ref       string                  text                        text                the id of a record
 *   counter   number                  integer                     bigint              written by `increment` only
 *   set       readonly string[]       text (JSON)                 jsonb               sorted, each text once; written by `add` and `remove`
 *   shared    string                  text                        text                written by `edit` only; the document lies beside it
 */
import type { Json } from '../json.ts'
import type { ClashStrategy } from './merge-strategy.ts'
import type { SharedTextType } from './shared-text.ts'

/**
 * Whether a create must give the field, may leave it out, or never gives it (counters start at 0). Sets and shared texts may be
 * left out, and are changed by operations of their own.
 */
export type Presence = 'required' | 'omittable' | 'counter' | 'set' | 'shared'

export type FieldRule =
  | { readonly kind: 'text'; readonly min: number; readonly max: number }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'real'; readonly min: number; readonly max: number }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'instant'; readonly min: number; readonly max: number }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'json' }
  | { readonly kind: 'ref'; readonly collection: string }
  | { readonly kind: 'counter'; readonly grow: boolean }
  | { readonly kind: 'set' }
  | { readonly kind: 'shared'; readonly type: SharedTextType }

export type FieldKind = FieldRule['kind']

declare const types: unique symbol

export interface Field<Value = unknown, P extends Presence = Presence> {
  readonly rule: FieldRule
  /** An optional field may be null. */
  readonly optional: boolean
  /** What a create writes when it leaves the field out; null where there is no default and the field is optional. */
  readonly default: Json | undefined
  /** What a clash on this field comes to; null: as the collection says. */
  readonly merge: ClashStrategy | null
  /** Exists in the type only. */
  readonly [types]?: { readonly value: Value; readonly presence: P }
}

export type ValueOf<F> = F extends Field<infer Value, Presence> ? Value : never
export type PresenceOf<F> = F extends Field<unknown, infer P> ? P : never

export const textLengthMax = 1_000_000
/** Years 0001 to 9999: what every store and every calendar can show. */
export const instantMin = -62_135_596_800_000
export const instantMax = 253_402_300_799_999

interface Common<Value> {
  readonly optional?: boolean
  readonly default?: Value
  readonly merge?: ClashStrategy
}

interface Bounds {
  readonly min?: number
  readonly max?: number
}

type Made<Value, O> = Field<
  O extends { readonly optional: true } ? Value | null : Value,
  O extends { readonly optional: true } | { readonly default: unknown } ? 'omittable' : 'required'
>

function field<Value, O extends Common<unknown>>(rule: FieldRule, options: O | undefined): Made<Value, O> {
  const optional = options?.optional ?? false
  const given = options?.default as Json | undefined
  return { rule, optional, default: given === undefined && optional ? null : given, merge: options?.merge ?? null }
}

// Overloads, because a call that names `Value` cannot have its options inferred as well.
function json<Value extends Json>(options: {
  readonly optional: true
  readonly default?: Value
  readonly merge?: ClashStrategy
}): Field<Value | null, 'omittable'>
function json<Value extends Json>(options: {
  readonly default: Value
  readonly merge?: ClashStrategy
}): Field<Value, 'omittable'>
function json<Value extends Json>(options?: { readonly merge?: ClashStrategy }): Field<Value, 'required'>
function json(options?: Common<Json>): Field {
  return field({ kind: 'json' }, options)
}

/** The field types. `optional: true` lets a field be null; `default` is what a create writes when it leaves the field out. */
export const t = {
  /** Text; `min` and `max` bound its length in UTF-16 code units (max at most 1,000,000). */
  text: <const O extends Common<string> & Bounds>(options?: O): Made<string, O> =>
    field({ kind: 'text', min: options?.min ?? 0, max: options?.max ?? textLengthMax }, options),
  integer: <const O extends Common<number> & Bounds>(options?: O): Made<number, O> =>
    field(
      {
        kind: 'integer',
        min: options?.min ?? Number.MIN_SAFE_INTEGER,
        max: options?.max ?? Number.MAX_SAFE_INTEGER,
      },
      options,
    ),
  real: <const O extends Common<number> & Bounds>(options?: O): Made<number, O> =>
    field({ kind: 'real', min: options?.min ?? -Number.MAX_VALUE, max: options?.max ?? Number.MAX_VALUE }, options),
  boolean: <const O extends Common<boolean>>(options?: O): Made<boolean, O> => field({ kind: 'boolean' }, options),
  /** A moment, in milliseconds since 1970 (UTC). */
  instant: <const O extends Common<number> & Bounds>(options?: O): Made<number, O> =>
    field({ kind: 'instant', min: options?.min ?? instantMin, max: options?.max ?? instantMax }, options),
  enum: <const V extends readonly [string, ...string[]], const O extends Common<V[number]>>(
    values: V,
    options?: O,
  ): Made<V[number], O> => field({ kind: 'enum', values }, options),
  /** Any JSON, replaced as a whole. The type parameter is the app's promise about its shape. */
  json,
  /** The id of a record of another collection; the server refuses one that does not exist. */
  ref: <const O extends Common<string>>(collection: string, options?: O): Made<string, O> =>
    field({ kind: 'ref', collection }, options),
  /** A number that devices add to with `increment`; increments of several devices all count. Starts at 0. `grow: true`: never down. */
  counter: (options?: { readonly grow?: boolean }): Field<number, 'counter'> => ({
    rule: { kind: 'counter', grow: options?.grow ?? false },
    optional: false,
    default: 0,
    merge: null,
  }),
  /** A set of texts that devices change with `add` and `remove`; a text that one adds while another removes it stays. */
  set: <const Value extends string = string>(): Field<readonly Value[], 'set'> => ({
    rule: { kind: 'set' },
    optional: false,
    default: [],
    merge: null,
  }),
  /** Text that several people edit at once, changed with `edit`: every insertion and deletion is kept. `type`: `yText` of @holdfast/yjs. */
  shared: (type: SharedTextType): Field<string, 'shared'> => ({
    rule: { kind: 'shared', type },
    optional: false,
    default: '',
    merge: null,
  }),
}
