/** What SQL cannot work out: the server catches up with it before it serves or judges anything. */
import { conflictsCollection, decisionsCollection, type JsonObject } from '@holdfast/core'
import { yText } from '@holdfast/yjs'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'
import { inWords, type WireDevice } from '../support/wire-device.ts'

const world = () => createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)

describe('a shared text that another program has written', { timeout: 30_000 }, () => {
  test('[OW5] [WP2] [C7] [I-19] the edit of a device that had not seen it stands beside it, on every device', async () => {
    const { wireDevice, sql, read } = await world()
    const [one, two] = [wireDevice('manager'), wireDevice('manager')]
    await sql(`insert into leads (id, body) values ('l1', 'one two')`)
    await one.sync()
    edit(one, 'one two three')
    await one.sync()
    await two.sync()
    await sql(`update leads set body = 'zero one two three' where id = 'l1'`)
    edit(two, 'one two three four')
    expect((await two.sync()).map(inWords)).toEqual(['applied'])
    await one.sync()
    for (const device of [one, two, await fresh(wireDevice('manager'))])
      expect(textOf(device)).toBe('zero one two three four')
    expect(await read('select body from leads')).toEqual([{ body: 'zero one two three four' }])
    expect(await read('select * from _unmerged')).toEqual([])
  })

  test('[OW5] a page is not served before the document reads what the column holds', async () => {
    const { wireDevice, sql } = await world()
    const [one, two] = [wireDevice('manager'), wireDevice('manager')]
    await sql(`insert into leads (id, body) values ('l1', 'one')`)
    await one.sync()
    edit(one, 'one two')
    await one.sync()
    await two.sync()
    await sql(`update leads set body = 'three' where id = 'l1'; update leads set body = 'four' where id = 'l1'`)
    await two.sync()
    expect(textOf(two)).toBe('four')
    expect(two.held('leads').get('l1')?.version).toBe(4)
  })

  test('[OW5] a snapshot is not made before the document reads what the column holds', async () => {
    const { wireDevice, sql, server } = await world()
    const one = wireDevice('manager')
    await sql(`insert into leads (id, body) values ('l1', 'one')`)
    await one.sync()
    edit(one, 'one two')
    await one.sync()
    await sql(`update leads set body = 'three' where id = 'l1'`)
    const request = {
      positions: [{ scope: 'all', place: 0, seq: 0 }],
      leaving: [],
      seen: null,
      rowsMax: 10,
      bytesMax: 1_000_000,
    }
    const found: unknown[] = []
    await server.store.snapshots().make({ key: 'k', request }, async (pages) => {
      for await (const { changes } of pages) {
        for (const { columns, rows } of changes) {
          const values: readonly (readonly unknown[])[] = JSON.parse(rows)
          const of = (name: string) => String(values[columns.indexOf(name)]?.[0])
          found.push(yText.change(of('body$doc'), of('body'), 999).startsWith(':'), of('body'))
        }
      }
      return null
    })
    expect(found).toEqual([true, 'three'])
  })

  test('[WP2] a document that somebody has broken begins anew from the text', async () => {
    const { wireDevice, sql } = await world()
    const one = wireDevice('manager')
    await sql(`insert into leads (id, body) values ('l1', 'one')`)
    await one.sync()
    edit(one, 'one two')
    await one.sync()
    await sql(`update _sidecar_leads set states = '{"body": "no document"}'; update leads set body = 'three'`)
    await one.sync()
    expect(textOf(one)).toBe('three')
  })
})

describe('a record that is in question and that another program has written', { timeout: 30_000 }, () => {
  test('[OW5] [WP1] the record is the other side of the question, and its author settles against that', async () => {
    const { nadia, salma, sql, manager } = await disputed()
    await sql(`update leads set note = 'by sql' where id = 'l1'`)
    for (const device of [nadia, salma, manager]) {
      await device.sync()
      expect(questions(device)).toEqual([['note', 'of salma', 'by sql', 'sql:postgres']])
      expect(device.held('leads').get('l1')?.values.fields.note).toBe('by sql')
    }
  })

  test('[OW5] [WP1] when both sides are the same, nothing is left to settle', async () => {
    const { nadia, salma, sql } = await disputed()
    await sql(`update leads set note = 'of salma' where id = 'l1'`)
    for (const device of [nadia, salma]) {
      await device.sync()
      expect(questions(device)).toEqual([])
    }
    salma.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { note: 'again' }, at: Date.now() })
    expect((await salma.sync()).map(inWords)).toEqual(['applied'])
  })

  test('[OW5] [WP1] [I-19] when it is deleted, the question goes, and what its author wanted is in the history', async () => {
    const { nadia, salma, sql } = await disputed()
    await sql(`delete from leads where id = 'l1'`)
    for (const device of [nadia, salma]) {
      await device.sync()
      expect(questions(device)).toEqual([])
      expect(device.held('leads').size).toBe(0)
      expect(
        [...device.held(decisionsCollection).values()].map(({ values: { fields } }) => [
          fields.local,
          fields.strategy,
          fields.remoteUser,
        ]),
      ).toEqual([['of salma', 'deleteWins', 'sql:postgres']])
    }
  })

  test('[OW1] [OW5] when it goes elsewhere, the question goes with it, and the history of before does not', async () => {
    const { nadia, salma, sql, wireDevice } = await disputed()
    // A decision of before: last write wins on the name.
    nadia.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { name: 'Mona' }, at: Date.now() })
    salma.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { name: 'Nora' }, at: Date.now() })
    await nadia.sync()
    await salma.sync()
    await nadia.sync()
    expect(nadia.held(decisionsCollection).size).toBe(1)
    const bea = await fresh(wireDevice('agent:bea'))
    await sql(`update leads set owner = 'bea' where id = 'l1'`)
    for (const device of [nadia, salma, bea]) await device.sync()
    expect(questions(nadia)).toEqual([])
    expect([nadia.held('leads').size, nadia.held(decisionsCollection).size]).toEqual([0, 0])
    expect(questions(bea)).toEqual([['note', 'of salma', 'of nadia', 'agent:ali']])
    expect(bea.held(decisionsCollection).size).toBe(0)
  })

  /** Two devices of one agent have written the note of one lead, and a third sees all. */
  async function disputed() {
    const { wireDevice, sql } = await world()
    const [nadia, salma, manager] = [wireDevice('agent:ali'), wireDevice('agent:ali'), wireDevice('manager')]
    await sql(`insert into leads (id, owner, note) values ('l1', 'ali', 'before')`)
    for (const device of [nadia, salma, manager]) await device.sync()
    for (const [device, note] of [
      [nadia, 'of nadia'],
      [salma, 'of salma'],
    ] as const) {
      device.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { note }, at: Date.now() })
    }
    await nadia.sync()
    expect((await salma.sync()).map(inWords)).toEqual(['conflict ?note'])
    await nadia.sync()
    expect(questions(nadia)).toEqual([['note', 'of salma', 'of nadia', 'agent:ali']])
    return { nadia, salma, manager, sql, wireDevice }
  }
})

function edit(device: WireDevice, text: string): void {
  const fields = fieldsOf(device)
  const document = fields.body$doc ?? yText.documentOf(String(fields.body))
  author += 1
  const change = yText.change(String(document), text, author)
  device.write({ collection: 'leads', record: 'l1', kind: 'edit', fields: { body: change }, at: Date.now() })
}
let author = 1_000

function fieldsOf(device: WireDevice): JsonObject {
  return device.held('leads').get('l1')?.values.fields ?? {}
}

/** The column; and null where the document reads something else. */
function textOf(device: WireDevice) {
  const fields = fieldsOf(device)
  const column = String(fields.body)
  const change = yText.change(String(fields.body$doc ?? yText.documentOf(column)), column, 999)
  return change.startsWith(':') ? column : null
}

function questions(device: WireDevice) {
  return [...device.held(conflictsCollection).values()].map(({ values: { fields } }) => [
    fields.field,
    fields.local,
    fields.remote,
    fields.remoteUser,
  ])
}

async function fresh(device: WireDevice): Promise<WireDevice> {
  await device.sync()
  return device
}
