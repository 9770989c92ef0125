/** Tables and what others have made in them: taken, kept, or refused with what is to be done. */
import { collection, defineSchema, renamed, type Schema, split, t } from '@holdfast/core'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { liveRecord } from '../contract/leads.ts'
import type { ServerStore } from '../ports/server-store.ts'
import { createSchema } from './postgres.test.kit.ts'
import { postgres } from './postgres.ts'

const things = defineSchema({
  version: 1,
  collections: { things: collection({ fields: { name: t.text({ default: '' }), tags: t.set() } }) },
})
const columns = `"createdAt" bigint not null default 1, "updatedAt" bigint not null default 1, name text, tags jsonb`

async function database() {
  const place = await createSchema(inject('postgresUrl'))
  const program = new pg.Client(place.url)
  await program.connect()
  const opened: ServerStore[] = []
  onTestFinished(async () => {
    for (const store of opened) await store.close().catch(() => {})
    await program.end()
    await place.drop()
  })
  return {
    sql: async (text: string) => (await program.query(text)).rows,
    open: async (schema: Schema) => {
      const store = postgres(place.url)(schema)
      opened.push(store)
      await store.open()
      return store
    },
  }
}

test.each([
  [
    'without a unique id',
    `create table things (id text not null, ${columns})`,
    /no primary key or unique index on its id/,
  ],
  [
    'whose id is unique with another column',
    `create table things (id text, ${columns}, unique (id, name))`,
    /no primary key/,
  ],
  [
    'whose ids are unique where it suits',
    `create table things (id text, ${columns}); create unique index on things (id) where name = 'a'`,
    /no primary key/,
  ],
  ['in partitions', `create table things (id text primary key, ${columns}) partition by hash (id)`, /no plain table/],
  [
    'that is a view',
    `create table held (id text primary key, ${columns}); create view things as select * from held`,
    /no plain table/,
  ],
  [
    'that others inherit from',
    `create table things (id text primary key, ${columns}); create table more () inherits (things)`,
    /inherits/,
  ],
])('[PT5] a table %s is refused when the store is opened', async (_, sql, words) => {
  const { sql: run, open } = await database()
  await run(sql)
  await expect(open(things)).rejects.toMatchObject({ name: 'UsageError', message: expect.stringMatching(words) })
})

test('[PT5] [OW2] rows that were there have their sets as devices have them; one that holds something else is refused', async () => {
  const { sql, open } = await database()
  await sql(`create table things (id text primary key, ${columns});
    insert into things (id, tags) values ('a', null), ('b', '["z", "b", "z"]'), ('c', '{"no": 1}')`)
  await expect(open(things)).rejects.toThrow(/things\.tags must be a list/)
  await sql(`delete from things where id = 'c'`)
  await open(things)
  expect(await sql('select id, tags from things order by id')).toEqual([
    { id: 'a', tags: [] },
    { id: 'b', tags: ['b', 'z'] },
  ])
})

test('[PT1] a column of the operator that may not be null keeps no record from being changed', async () => {
  const { sql, open } = await database()
  const store = await open(things)
  await sql(`insert into things (id) values ('a'); alter table things add column crm text not null default 'x';
    alter table things alter column crm drop default`)
  const write = (ids: readonly string[]) =>
    store.transact(async (tx) => {
      await tx.load('things', ids)
      await tx.write('things', new Map(ids.map((id) => [id, liveRecord(2, { name: 'new', tags: [] })])))
    })
  await write(['a'])
  expect(await sql('select name, crm from things')).toEqual([{ name: 'new', crm: 'x' }])
  await expect(write(['a', 'b'])).rejects.toMatchObject({ code: '23502' })
  await sql('alter table things alter column crm drop not null')
  await write(['a', 'b'])
  expect(await sql('select id, crm from things order by id')).toEqual([
    { id: 'a', crm: 'x' },
    { id: 'b', crm: null },
  ])
})

const people = defineSchema({
  version: 1,
  collections: {
    people: collection({
      fields: { name: t.text({ default: '' }), phone: t.text({ default: '' }) },
      indexes: [['phone']],
    }),
  },
})
const moved = defineSchema({
  version: 2,
  oldest: 1,
  migrations: {
    2: {
      people: [
        renamed('phone', 'tel'),
        split('name', ['first', 'last'], {
          was: t.text(),
          up: (name): readonly [string, string] => [name, ''],
          down: ([first]) => first,
        }),
      ],
    },
  },
  collections: {
    people: collection({
      fields: { first: t.text({ default: '' }), last: t.text({ default: '' }), tel: t.text({ default: '' }) },
      indexes: [['tel']],
    }),
  },
})

test('[PT1] a migration leaves the indexes of the operator over a renamed column, whatever their names', async () => {
  const { sql, open } = await database()
  await (await open(people)).close()
  await sql(`create unique index people_by_phone_mine on people (phone) where phone <> ''`)
  await open(moved)
  const rows = await sql(
    `select indexname from pg_indexes where schemaname = current_schema() and tablename = 'people' order by 1`,
  )
  expect(rows.map(({ indexname }) => indexname)).toEqual(['people_by_phone_mine', 'people_by_tel', 'people_pkey'])
})

test.each([
  ['a view', `create view names as select id, name from people`, /view names/],
  ['a generated column', `alter table people add column loud text generated always as (upper(name)) stored`, /loud/],
])('[PT1] %s over a column that a migration takes away is named, and nothing is changed', async (_, sql, words) => {
  const { sql: run, open } = await database()
  await (await open(people)).close()
  await run(`insert into people (id, name) values ('a', 'Mona')`)
  await run(sql)
  await expect(open(moved)).rejects.toMatchObject({ name: 'UsageError', message: expect.stringMatching(words) })
  expect(await run('select name, phone from people')).toEqual([{ name: 'Mona', phone: '' }])
})
