/** The TypeScript types that follow from a schema: rows, what a create gives, what an update may change. */
import type { RecordId } from '../ids.ts'
import type { Collection, Fields } from './collection.ts'
import type { Field, PresenceOf, ValueOf } from './field.ts'
import type { Schema } from './schema.ts'

type Flat<T> = { [K in keyof T]: T[K] } & {}

export type CollectionName<S extends Schema> = Extract<keyof S['collections'], string>

type FieldsOf<C> = C extends Collection<infer F> ? F : never

type KeysBy<F extends Fields, P> = { [K in keyof F]: PresenceOf<F[K]> extends P ? K : never }[keyof F]

/** A record's values as an app reads them. */
export type RowOf<C extends Collection> = Flat<
  { id: RecordId; createdAt: number; updatedAt: number } & {
    -readonly [K in keyof FieldsOf<C>]: ValueOf<FieldsOf<C>[K]>
  }
>

/** What `create` takes: every required field; `id` is made when it is left out. */
export type NewRow<C extends Collection> = Flat<
  { id?: RecordId } & { -readonly [K in KeysBy<FieldsOf<C>, 'required'>]: ValueOf<FieldsOf<C>[K]> } & {
    -readonly [K in KeysBy<FieldsOf<C>, 'omittable' | 'set' | 'shared'>]?: ValueOf<FieldsOf<C>[K]>
  }
>

/** What `update` takes: any of the fields but counters, sets and shared texts. */
export type RowPatch<C extends Collection> = Flat<{
  -readonly [K in KeysBy<FieldsOf<C>, 'required' | 'omittable'>]?: ValueOf<FieldsOf<C>[K]>
}>

/** What `increment` takes: whole numbers to add to counters. */
export type Increments<C extends Collection> = Flat<{ -readonly [K in KeysBy<FieldsOf<C>, 'counter'>]?: number }>

/** What `add` and `remove` take: texts of sets. */
export type SetTexts<C extends Collection> = Flat<{
  -readonly [K in KeysBy<FieldsOf<C>, 'set'>]?: ValueOf<FieldsOf<C>[K]>
}>

/** What `edit` takes: shared texts as they shall read. */
export type SharedTexts<C extends Collection> = Flat<{ -readonly [K in KeysBy<FieldsOf<C>, 'shared'>]?: string }>

/** Where a record stands: see GLOSSARY. */
export type RecordSync = 'synced' | 'pending' | 'refused' | 'conflict'

/** A row of the device's table: the values and the record's sync state. */
export type DeviceRow<C extends Collection> = Flat<
  RowOf<C> & {
    $sync: RecordSync
    /** Names of the fields that wait for the server; null when none does. */
    $pending: readonly string[] | null
  }
>

/** The tables of the device as Kysely wants them. */
export type DeviceTables<S extends Schema> = { [K in CollectionName<S>]: DeviceRow<S['collections'][K]> }

export type { Field }
