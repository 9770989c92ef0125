/** Servers of two versions of the schema over one database, as while one takes the place of the other, and another program that writes. */
import { collection, defineSchema, parseUserId, type Schema, t } from '@holdfast/core'
import { createServer, postgres } from '@holdfast/server'
import { yText } from '@holdfast/yjs'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { createWireDevice, inWords, type WireDevice } from '../support/wire-device.ts'

const title = t.text({ default: '' })
const older = defineSchema({
  version: 1,
  collections: { notes: collection({ fields: { title, body: t.shared(yText) } }) },
})
const newer = defineSchema({
  version: 2,
  oldest: 1,
  collections: {
    notes: collection({ fields: { title, body: t.shared(yText), memo: t.shared(yText) } }),
    pages: collection({ fields: { text: t.shared(yText) } }),
  },
})

test('[OW5] [I-17] [C7] what SQL writes to shared texts waits for the server that knows them, and keeps no older one from serving', {
  timeout: 30_000,
}, async () => {
  const database = await onPostgres(inject('postgresUrl')).create()
  const program = new pg.Client(database.address)
  await program.connect()
  const serve = async (schema: Schema) => {
    const server = createServer({
      schema,
      store: postgres(database.address),
      authenticate: async (request) => {
        const user = request.headers.get('authorization')?.replace('Bearer ', '')
        return { userId: parseUserId(user), claims: {} }
      },
      scopes: () => 'all',
      logLevel: 'silent',
    })
    await server.start()
    onTestFinished(() => server.close())
    return createWireDevice({ server: () => server, schema, nowMs: Date.now }, 'ann')
  }
  onTestFinished(async () => {
    await program.end()
    await database.drop()
  })
  const [old, next] = [await serve(older), await serve(newer)]
  await program.query(
    `insert into notes (id, body, memo) values ('n', 'one', 'one'); insert into pages (id, text) values ('p', 'one')`,
  )
  for (const device of [old, next]) await device.sync()
  const [body, memo, text] = [
    edit(next, 'notes', 'n', 'body', 'one two'),
    edit(next, 'notes', 'n', 'memo', 'one two'),
    edit(next, 'pages', 'p', 'text', 'one two'),
  ]
  const common = { kind: 'edit', at: Date.now(), schemaVersion: 2 } as const
  next.write({ ...common, collection: 'notes', record: 'n', fields: { body, memo } })
  next.write({ ...common, collection: 'pages', record: 'p', fields: { text } })
  expect((await next.sync()).map(inWords)).toEqual(['applied', 'applied'])

  await program.query(`update notes set body = 'three', memo = 'three'; update pages set text = 'three'`)
  for (let turn = 0; turn < 2; turn += 1) {
    await old.sync()
    expect(reads(old, 'notes', 'n', 'body')).toBe('three')
  }
  // Written again before the newer one has looked.
  await program.query(`update notes set body = 'four', memo = 'four'`)
  await old.sync()
  expect(reads(old, 'notes', 'n', 'body')).toBe('four')
  await next.sync()
  expect(reads(next, 'notes', 'n', 'body')).toBe('four')
  expect(reads(next, 'notes', 'n', 'memo')).toBe('four')
  expect(reads(next, 'pages', 'p', 'text')).toBe('three')
  expect((await program.query('select * from _unmerged')).rows).toEqual([])
})

function edit(device: WireDevice, collection: string, record: string, field: string, text: string): string {
  return yText.change(documentOf(device, collection, record, field), text, 7)
}

/** What the document reads, where it reads what the column holds. */
function reads(device: WireDevice, collection: string, record: string, field: string): string {
  const column = String(device.held(collection).get(record)?.values.fields[field])
  const isSame = yText.change(documentOf(device, collection, record, field), column, 999).startsWith(':')
  return isSame ? column : `not ${column}`
}

function documentOf(device: WireDevice, collection: string, record: string, field: string): string {
  const fields = device.held(collection).get(record)?.values.fields ?? {}
  return String(fields[`${field}$doc`] ?? yText.documentOf(String(fields[field])))
}
