/** What a device had written without having seen what plain SQL wrote meanwhile. */
import { decisionsCollection, type Json, type JsonObject, type OperationKind } from '@holdfast/core'
import { expect, inject, onTestFinished, test } from 'vitest'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'
import { inWords } from '../support/wire-device.ts'

interface Case {
  readonly name: string
  readonly kind: OperationKind
  readonly fields: JsonObject
  readonly sql: string
  readonly outcome: string
  readonly after: JsonObject
  /** What did not stand. */
  readonly dropped?: Json
}

const cases: readonly Case[] = [
  { name: '[C1] [I-19] different fields are both kept', kind: 'update', fields: { name: 'of a device' }, sql: `stage = 'won'`, outcome: 'applied', after: { name: 'of a device', stage: 'won' } },
  { name: '[C2] [I-19] of one field the later stands, the other is in the history', kind: 'update', fields: { name: 'of a device' }, sql: `name = 'by sql'`, outcome: 'merged -name', after: { name: 'by sql' }, dropped: 'of a device' },
  { name: '[C5] where a person is to decide, one is asked', kind: 'update', fields: { note: 'of a device' }, sql: `note = 'by sql'`, outcome: 'conflict ?note', after: { note: 'by sql' } },
  { name: '[C7] increments count beside what SQL adds', kind: 'increment', fields: { visits: 5 }, sql: 'visits = visits + 2', outcome: 'applied', after: { visits: 7 } },
  { name: '[C7] what a device has added to a set stands, and so does what SQL has', kind: 'add', fields: { tags: ['c'] }, sql: `tags = '["b", "x"]'`, outcome: 'applied', after: { tags: ['b', 'c', 'x'] } },
  { name: '[C7] what a device takes out of a set goes, and what SQL has added meanwhile stays', kind: 'remove', fields: { tags: ['a', 'x'] }, sql: `tags = tags || '["x"]'`, outcome: 'applied', after: { tags: ['b', 'x'] } },
  { name: '[C9] of a record that SQL has deleted an edit is refused', kind: 'update', fields: { name: 'of a device' }, sql: '', outcome: 'rejected RECORD_DELETED', after: {} },
] // biome-ignore format: a table

test.each(cases.map((given) => [given.name, given] as const))(
  '%s',
  async (_, { kind, fields, sql, outcome, after, dropped }) => {
    const {
      wireDevice,
      sql: run,
      read,
    } = await createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)
    await run(`insert into leads (id, tags) values ('l1', '["a", "b"]')`)
    const device = wireDevice('manager')
    await device.sync()
    // A minute ago, without a network.
    device.write({ collection: 'leads', record: 'l1', kind, fields, at: Date.now() - 60_000 })
    await run(sql === '' ? `delete from leads where id = 'l1'` : `update leads set ${sql} where id = 'l1'`)
    expect((await device.sync()).map(inWords)).toEqual([outcome])
    expect(device.held('leads').get('l1')?.values.fields ?? {}).toMatchObject(after)
    const decisions = [...device.held(decisionsCollection).values()].map(({ values }) => values.fields.local)
    expect(decisions).toEqual(dropped === undefined ? [] : [dropped])
    const [row] = await read('select * from leads')
    for (const [field, value] of Object.entries(after))
      expect(JSON.stringify(row?.[field]).replaceAll('"', '')).toBe(JSON.stringify(value).replaceAll('"', ''))
  },
)

test('[I-20] what SQL has deleted comes back by a restore, and then SQL writes it like any other', {
  timeout: 30_000,
}, async () => {
  const { wireDevice, sql } = await createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)
  const device = wireDevice('manager')
  await sql(`insert into leads (id, owner, name) values ('l1', 'ali', 'Mona')`)
  await device.sync()
  await sql(`delete from leads where id = 'l1'`)
  await device.sync()
  expect(device.held('leads').size).toBe(0)
  const [restore] = device.write({ collection: 'leads', record: 'l1', kind: 'restore', at: Date.now() })
  if (restore === undefined) throw new Error('Nothing was written.')
  expect((await device.sync([{ ...restore, base: { ...restore.base, version: 2 } }])).map(inWords)).toEqual(['applied'])
  await sql(`update leads set stage = 'won' where id = 'l1'`)
  await device.sync()
  expect(device.held('leads').get('l1')).toMatchObject({
    version: 4,
    values: { fields: { name: 'Mona', stage: 'won' } },
  })
})
