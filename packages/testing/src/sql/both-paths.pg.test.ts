import type { JsonObject } from '@holdfast/core'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld, type SqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'
import type { WireDevice, Write } from '../support/wire-device.ts'

type Step = Omit<Write, 'at'> & { readonly sql: string }

const create = (collection: string, record: string, fields: JsonObject, sql: string): Step => {
  const whole = collection === 'leads' ? { ...emptyLead, ...fields } : fields
  return { collection, record, kind: 'create', fields: whole, sql }
}
const update = (collection: string, record: string, fields: JsonObject, sql: string): Step => {
  return { collection, record, kind: 'update', fields, sql }
}
const remove = (collection: string, record: string): Step => {
  return { collection, record, kind: 'delete', sql: `delete from ${collection} where id = '${record}'` }
}

const emptyLead = {
  owner: null, rank: null, hot: null, weight: null, name: '', stage: 'new', met: null, info: null, note: '', tags: [], body: '',
} // biome-ignore format: a table
const long = 'long '.repeat(200)

/** Each step by a device and by SQL: what they leave beside the rows and in the feed is the same. */
const stories: { readonly [name: string]: readonly Step[] } = {
  'records of every field kind come, change and go': [
    create(
      'leads',
      'l1',
      { owner: 'ali', name: long },
      `insert into leads (id, owner, name) values ('l1', 'ali', '${long}')`,
    ),
    create(
      'leads',
      'l2',
      { rank: -7, hot: true, weight: 0.5, met: 5, info: ['x'], note: 'n', tags: ['t'], body: 'text' },
      `insert into leads (id, rank, hot, weight, met, info, note, tags, body) values ('l2', -7, true, 0.5, 5, '["x"]', 'n', '["t"]', 'text')`,
    ),
    update('leads', 'l1', { name: 'Mona' }, `update leads set name = 'Mona' where id = 'l1'`),
    update(
      'leads',
      'l1',
      { name: 'Nora', stage: 'won' },
      `update leads set name = 'Nora', stage = 'won' where id = 'l1'`,
    ),
    update('leads', 'l2', { hot: false, weight: null }, `update leads set hot = false, weight = null where id = 'l2'`),
    {
      collection: 'leads',
      record: 'l1',
      kind: 'increment',
      fields: { visits: 3 },
      sql: `update leads set visits = visits + 3 where id = 'l1'`,
    },
    remove('leads', 'l2'),
    remove('leads', 'l1'),
  ],
  'a record goes from scope to scope, and back': [
    create('leads', 'l1', { owner: 'ali', rank: 1 }, `insert into leads (id, owner, rank) values ('l1', 'ali', 1)`),
    update('leads', 'l1', { owner: 'bea' }, `update leads set owner = 'bea' where id = 'l1'`),
    update('leads', 'l1', { owner: null, rank: 2 }, `update leads set owner = null, rank = 2 where id = 'l1'`),
    update('leads', 'l1', { owner: 'ali' }, `update leads set owner = 'ali' where id = 'l1'`),
    update('leads', 'l1', { owner: '' }, `update leads set owner = '' where id = 'l1'`),
    remove('leads', 'l1'),
  ],
  'scopes are named by numbers as JavaScript writes them': [0.1, 1e21, 1.5e-7, 1e15, -0.25, 123456789.125].map(
    (weight, index) =>
      create('leads', `l${index}`, { weight }, `insert into leads (id, weight) values ('l${index}', ${weight})`),
  ),
  'a set': [
    create('leads', 'l1', { tags: ['a'] }, `insert into leads (id, tags) values ('l1', '["a"]')`),
    {
      collection: 'leads',
      record: 'l1',
      kind: 'add',
      fields: { tags: ['b', 'c'] },
      sql: `update leads set tags = '["c", "a", "b", "a"]' where id = 'l1'`,
    },
    {
      collection: 'leads',
      record: 'l1',
      kind: 'remove',
      fields: { tags: ['a', 'b'] },
      sql: `update leads set tags = tags - 'a' - 'b' where id = 'l1'`,
    },
    {
      collection: 'leads',
      record: 'l1',
      kind: 'remove',
      fields: { tags: ['c'] },
      sql: `update leads set tags = '[]' where id = 'l1'`,
    },
  ],
  'versions by causality': [
    create('plans', 'p1', { title: 'a', steps: '' }, `insert into plans (id, title) values ('p1', 'a')`),
    update('plans', 'p1', { title: 'b' }, `update plans set title = 'b' where id = 'p1'`),
    update('plans', 'p1', { steps: 'c' }, `update plans set steps = 'c' where id = 'p1'`),
    remove('plans', 'p1'),
  ],
  'children go where their parents go': [
    create('leads', 'l1', { owner: 'ali' }, `insert into leads (id, owner) values ('l1', 'ali')`),
    create('leads', 'l2', { owner: 'bea', rank: 1 }, `insert into leads (id, owner, rank) values ('l2', 'bea', 1)`),
    create('calls', 'c1', { lead: 'l1', text: 'one' }, `insert into calls (id, lead, text) values ('c1', 'l1', 'one')`),
    create('calls', 'c0', { lead: null, text: 'none' }, `insert into calls (id, text) values ('c0', 'none')`),
    create(
      'remarks',
      'r1',
      { call: 'c1', text: 'deep' },
      `insert into remarks (id, call, text) values ('r1', 'c1', 'deep')`,
    ),
    create(
      'remarks',
      'r0',
      { call: 'c0', text: 'deep' },
      `insert into remarks (id, call, text) values ('r0', 'c0', 'deep')`,
    ),
    update('leads', 'l1', { owner: 'cleo' }, `update leads set owner = 'cleo' where id = 'l1'`),
    update('calls', 'c1', { text: 'more' }, `update calls set text = 'more' where id = 'c1'`),
    update('calls', 'c1', { lead: 'l2' }, `update calls set lead = 'l2' where id = 'c1'`),
    update('calls', 'c0', { lead: 'l1' }, `update calls set lead = 'l1' where id = 'c0'`),
    remove('leads', 'l2'),
    update(
      'remarks',
      'r1',
      { text: 'of a deleted lead' },
      `update remarks set text = 'of a deleted lead' where id = 'r1'`,
    ),
    update('calls', 'c1', { text: 'of a deleted lead' }, `update calls set text = 'of a deleted lead' where id = 'c1'`),
    update('calls', 'c0', { lead: null }, `update calls set lead = null where id = 'c0'`),
    remove('calls', 'c1'),
    update(
      'remarks',
      'r1',
      { text: 'of a deleted call' },
      `update remarks set text = 'of a deleted call' where id = 'r1'`,
    ),
    remove('remarks', 'r1'),
  ],
}

describe('what other programs write on Postgres', { timeout: 30_000 }, () => {
  test.each(Object.entries(stories))(
    '[I-29] [OW1] %s: versions, stamps, last values and feed are those that a device leaves',
    async (_, steps) => {
      const [byDevice, bySql] = [await world(), await world()]
      const device = byDevice.wireDevice('manager')
      await device.sync()
      for (const { sql, ...write } of steps) {
        device.write({ ...write, at: Date.now() })
        expect(
          (await device.sync()).map((outcome) => outcome?.kind),
          sql,
        ).toEqual(['applied'])
        await bySql.sql(sql)
        expect(await sidecars(bySql, others), sql).toEqual(await sidecars(byDevice, device.id))
        expect(await feed(bySql), sql).toEqual(await feed(byDevice))
      }
      const reader = bySql.wireDevice('manager')
      await reader.sync()
      expect(held(reader)).toEqual(held(device))
    },
  )
})

const others = '00000000-0000-7000-8000-000000000001'

const world = () => createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)

/** With the writer's device named `w`, and without times. */
async function sidecars({ read }: SqlWorld, device: string) {
  const rows: unknown[] = []
  for (const name of Object.keys(sqlSchema.collections)) {
    for (const { stamps, values, states, ...row } of await read(`select * from _sidecar_${name} order by id`)) {
      const versions = Object.entries(stamps as Record<string, unknown[]>).map(([field, [version, by]]) => [
        field,
        version,
        by === device ? 'w' : by,
      ])
      const last = values === null ? null : (values as { fields: unknown }).fields
      rows.push({
        ...row,
        name,
        versions: versions.sort(),
        last,
        states: JSON.parse(JSON.stringify(states).replaceAll(device, 'w')),
      })
    }
  }
  return rows
}

/** What a row takes is told to a few bytes. */
async function feed({ read }: SqlWorld) {
  const rows = await read(
    'select scope, collection, record, version, state, bytes, place, seq from _feed order by 2, 3, 1',
  )
  expect(new Set(rows.map(({ place, seq }) => `${place} ${seq}`)).size).toBe(rows.length)
  return rows.map(({ place, seq, bytes, ...entry }) => ({ ...entry, bytes: Math.round(Number(bytes) / 10) }))
}

function held(device: WireDevice) {
  return Object.keys(sqlSchema.collections).map((name) =>
    [...device.held(name)].map(([id, { version, values }]) => [id, version, values.fields]).sort(),
  )
}
