import { collection, defineSchema, t } from '@holdfast/core'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createSchema } from './postgres.test.kit.ts'
import { postgres } from './postgres.ts'
import { recordStatements } from './postgres-records.ts'

test('[OW6] a row that a policy hides from the server is not taken for one that is gone', async () => {
  const leads = collection({ fields: { name: t.text({ default: '' }) } })
  const place = await createSchema(inject('postgresUrl'))
  const store = postgres(place.url)(defineSchema({ version: 1, collections: { leads } }))
  await store.open()
  await store.close()
  const client = new pg.Client(place.url)
  await client.connect()
  const role = `owner_${process.pid}`
  onTestFinished(async () => {
    await client.query(`reset role; drop owned by ${role}; drop role ${role}`)
    await client.end()
    await place.drop()
  })
  await client.query(`insert into leads (id) values ('l1'), ('l2'); create role ${role};
    do $$ begin execute format('grant usage on schema %I to ${role}; grant all on all tables in schema %I to ${role}', current_schema(), current_schema()); end $$;
    alter table leads enable row level security; set role ${role}`)
  const { buryLost } = recordStatements('leads', leads, 1)
  expect((await client.query('select from leads')).rowCount).toBe(0)
  expect((await client.query(buryLost, [['l1'], 1, 1])).rowCount).toBe(0)
  await client.query(`reset role; alter table leads disable trigger user; delete from leads where id = 'l1'`)
  expect((await client.query(buryLost, [['l1', 'l2'], 1, 1])).rows).toMatchObject([{ id: 'l1', state: 'deleted' }])
})
