import { collection, defineSchema, type Schema, t } from '@holdfast/core'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'

const world = (schema: Schema = sqlSchema) => createSqlWorld(onPostgres(inject('postgresUrl')), schema, onTestFinished)
const twoOwners = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: { owner: t.text({ optional: true }), boss: t.text({ optional: true }), name: t.text({ default: '' }) },
      scope: { agent: 'owner', boss: 'boss' },
    }),
  },
})

describe("an operator's own foreign keys and triggers", { timeout: 30_000 }, () => {
  test.each([
    ['cascade', []],
    ['set null', ['c1', 'c2']],
  ])(
    '[OW6] a device deletes what a foreign key refers to (on delete %s): the other devices have what the database has',
    async (action, left) => {
      const w = await world()
      await w.sql(`insert into leads (id, owner) values ('l1', 'ali'); insert into calls (id, lead) values ('c1', 'l1'), ('c2', 'l1');
      alter table calls add foreign key (lead) references leads (id) on delete ${action}`)
      const [writer, other, agent] = [w.wireDevice('manager'), w.wireDevice('manager'), w.wireDevice('agent:ali')]
      for (const device of [writer, other, agent]) await device.sync()
      expect(agent.held('calls').size).toBe(2)
      writer.write({ collection: 'leads', record: 'l1', kind: 'delete', at: 1 })
      await writer.sync()
      for (const device of [writer, other, agent]) await device.sync()
      expect((await w.read('select id from calls order by id')).map(({ id }) => id)).toEqual(left)
      for (const device of [writer, other]) expect([...device.held('calls').keys()].sort()).toEqual(left)
      expect(agent.held('calls').size).toBe(0)
      for (const call of other.held('calls').values()) expect(call.values.fields.lead).toBe(null)
    },
  )

  test("[OW6] what an operator's trigger writes beside the write of a device comes to devices", async () => {
    const w = await world()
    await w.sql(`create function noted() returns trigger language plpgsql as $$ begin
        insert into plans (id, title) values ('of-' || new.id, new.name); return null; end $$;
      create trigger noted after insert on leads for each row execute function noted()`)
    const device = w.wireDevice('manager')
    await device.sync()
    for (const record of ['l1', 'l2']) {
      device.write({
        collection: 'leads',
        record,
        kind: 'create',
        fields: { name: record, visits: 0, tags: [] },
        at: 1,
      })
    }
    await device.sync()
    await device.sync()
    expect([...device.held('plans').keys()].sort()).toEqual(['of-l1', 'of-l2'])
    expect(device.held('leads').size).toBe(2)
  })

  test('[OW6] one push edits what a foreign key lets go with its parent, which the push deletes', async () => {
    const w = await world()
    await w.sql(`insert into leads (id, owner) values ('l1', 'ali'); insert into calls (id, lead) values ('c1', 'l1');
      alter table calls add foreign key (lead) references leads (id) on delete cascade deferrable initially deferred`)
    const [writer, other] = [w.wireDevice('manager'), w.wireDevice('manager')]
    for (const device of [writer, other]) await device.sync()
    writer.write({ collection: 'calls', record: 'c1', kind: 'update', fields: { text: 'x' }, at: 1 })
    writer.write({ collection: 'leads', record: 'l1', kind: 'delete', at: 2 })
    writer.write({ collection: 'leads', record: 'l2', kind: 'create', fields: { visits: 0, tags: [] }, at: 3 })
    writer.write({ collection: 'calls', record: 'c2', kind: 'create', fields: { lead: 'l2', text: '' }, at: 4 })
    await writer.sync()
    await writer.sync()
    await other.sync()
    expect(await w.read('select id from calls')).toEqual([{ id: 'c2' }])
    for (const device of [writer, other]) expect([...device.held('calls').keys()]).toEqual(['c2'])
  })

  test('[OW6] a foreign key without a cascade refuses the edit of a device that breaks it, and none beside it', async () => {
    const w = await world()
    await w.sql(`insert into leads (id, owner) values ('l1', 'ali'), ('l2', 'ali'); insert into calls (id, lead) values ('c1', 'l1');
      alter table calls add foreign key (lead) references leads (id) deferrable initially deferred`)
    const device = w.wireDevice('manager')
    await device.sync()
    device.write({ collection: 'leads', record: 'l1', kind: 'delete', at: 1 })
    device.write({ collection: 'leads', record: 'l2', kind: 'update', fields: { name: 'x' }, at: 2 })
    const outcomes = await device.sync()
    expect(outcomes.map((outcome) => outcome?.kind)).toEqual([undefined, 'applied'])
    expect(await w.read('select id, name from leads order by id')).toEqual([
      { id: 'l1', name: '' },
      { id: 'l2', name: 'x' },
    ])
  })

  test('[OW6] [I-10] a row that is gone past the triggers is a deleted record to whoever edits it, and keeps nobody else', async () => {
    const w = await world()
    await w.sql(`insert into leads (id, owner) values ('l1', 'ali'), ('l2', 'ali')`)
    const [writer, other] = [w.wireDevice('manager'), w.wireDevice('manager')]
    for (const device of [writer, other]) await device.sync()
    await w.sql(
      `set session_replication_role = replica; delete from leads where id = 'l1'; set session_replication_role = origin`,
    )
    writer.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { name: 'x' }, at: 1 })
    writer.write({ collection: 'leads', record: 'l2', kind: 'update', fields: { name: 'x' }, at: 2 })
    await writer.sync()
    await other.sync()
    expect(await w.read('select id, name from leads')).toEqual([{ id: 'l2', name: 'x' }])
    expect([...other.held('leads').keys()]).toEqual(['l2'])
    expect(await w.read('select id, state, version::int from _sidecar_leads order by id')).toEqual([
      { id: 'l1', state: 'deleted', version: 2 },
      { id: 'l2', state: 'live', version: 2 },
    ])
  })

  test.each([
    ['delete from people', [null, null], []],
    [`update people set name = name || '2'`, ['a2', 'b2'], ['agent:a2', 'boss:b2']],
  ])(
    '[OW6] [I-16] [I-23] a row that one statement changes twice lies where it is at its end: %s',
    async (sql, values, scopes) => {
      const w = await world(twoOwners)
      await w.sql(`create table people (name text primary key); insert into people values ('a'), ('b');
      insert into leads (id, owner, boss) values ('l1', 'a', 'b');
      alter table leads add foreign key (owner) references people (name) on update cascade on delete set null,
        add foreign key (boss) references people (name) on update cascade on delete set null`)
      await w.sql(sql)
      const [owner, boss] = values
      expect(await w.read('select owner, boss from leads')).toEqual([{ owner, boss }])
      const present = await w.read(`select scope from _feed where state = 'present' and scope <> 'all' order by scope`)
      expect(present.map(({ scope }) => scope)).toEqual(scopes)
      expect(
        await w.read(
          `select version::int, stamps -> 'owner' -> 0 as owner, stamps -> 'boss' -> 0 as boss from _sidecar_leads`,
        ),
      ).toEqual([{ version: 2, owner: 2, boss: 2 }])
    },
  )
})
