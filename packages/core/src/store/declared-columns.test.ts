import { expect, test } from 'vitest'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import { defineSchema } from '../schema/schema.ts'
import { declaredTable } from './declared-columns.ts'
import { deviceTables } from './device-tables.ts'

test('the columns of a table, with comments, keys and defaults', () => {
  const table = declaredTable(`create table if not exists "_sidecar_leads" (
  id text primary key not null,
  -- 'live' | 'deleted', and (nothing) else
  state text not null,
  "values" text,
  failures integer not null default 0,
  "receivedAt" bigint not null default (extract(epoch from now()) * 1000)::bigint,
  sep text default ', (',
  unique (id, state),
  primary key (id)
) strict, without rowid`)
  expect(table?.name).toBe('_sidecar_leads')
  expect(table?.columns.map(({ name, isAddable }) => [name, isAddable])).toEqual([
    ['id', false],
    ['state', false],
    ['values', true],
    ['failures', true],
    ['receivedAt', true],
    ['sep', true],
  ])
  expect(table?.columns[2]?.definition).toBe('"values" text')
  expect(declaredTable('create index if not exists _feed_order on _feed (scope, place)')).toBeNull()
})

test('every column of the device’s engine tables is found', () => {
  const schema = defineSchema({ version: 1, collections: { notes: collection({ fields: { title: t.text() } }) } })
  const tables = deviceTables(schema).tables.flatMap((sql) => declaredTable(sql) ?? [])
  const columns = new Map(tables.map(({ name, columns }) => [name, columns.map((column) => column.name)]))
  expect(columns.get('_kv')).toEqual(['key', 'value'])
  expect(columns.get('_inbox')).toEqual(
    expect.arrayContaining(['seq', 'refusedAt', 'discardedAt', 'discardedWith', 'operation']),
  )
  expect(columns.get('notes')).toEqual(['id', '$version', 'createdAt', 'updatedAt', 'title', '$sync', '$pending'])
})
