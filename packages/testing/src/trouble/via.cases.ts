/** Records that lie where their parents lie, over the protocol and a given store: who holds them, who may write them, and what moves with what. */
import { conflictsCollection, type JsonObject, type OperationKind } from '@holdfast/core'
import type { StoreFactory, StoreTransaction } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { startMs } from '../support/merging-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { createViaWorld, toldAbout } from '../support/via-world.ts'
import { inWords, type WireDevice, type Write } from '../support/wire-device.ts'

let at = startMs
function op(kind: OperationKind, collection: string, record: string, fields: JsonObject = {}): Write {
  at += 1
  return { kind, collection, record, fields, at }
}
const create = (collection: string, record: string, fields: JsonObject) => op('create', collection, record, fields)
const update = (collection: string, record: string, fields: JsonObject) => op('update', collection, record, fields)
const lead = (record: string, team = 'red') => create('leads', record, { team })
const call = (record: string, of: string | null = 'l') => create('calls', record, { lead: of })

/** Sends these writes, each a unit of its own, or the arrays of them as one. */
async function send(device: WireDevice, ...units: readonly (Write | readonly Write[])[]): Promise<readonly string[]> {
  await device.sync()
  for (const unit of units) device.write(...(Array.isArray(unit) ? unit : [unit as Write]))
  return (await device.sync()).map(inWords)
}

/** Brings back a record whose deletion made it this version. */
async function restore(device: WireDevice, collection: string, record: string, version: number): Promise<string> {
  const [operation] = device.write(op('restore', collection, record))
  if (operation === undefined) throw new Error('one write, one operation')
  const [outcome = null] = await device.sync([{ ...operation, base: { ...operation.base, version } }])
  return inWords(outcome)
}

const idsOf = (device: WireDevice, collection: string) => [...device.held(collection).keys()].sort()

/** A lead of team red with a call, a mark of the call and a note of the mark; and its devices, synced. */
async function createLead(kind: StoreKind, around?: (factory: StoreFactory) => StoreFactory) {
  const world = await createViaWorld(kind, onTestFinished, around)
  const [red, blue, both, boss] = [
    world.device('ann@red'),
    world.device('ben@blue'),
    world.device('amy@blue+red'),
    world.device('boss'),
  ] as const
  const made = [lead('l'), call('c'), create('marks', 'm', { call: 'c' }), create('notes', 'n', { mark: 'm' })]
  expect(await send(red, ...made)).toEqual(made.map(() => 'applied'))
  const devices = [red, blue, both, boss]
  await world.check(devices)
  return { world, red, blue, both, boss, devices, check: () => world.check(devices) }
}

export function describeVia(kind: StoreKind): void {
  describe(`scopes via a parent on ${kind.name}`, { timeout: 60_000 }, () => {
    test('[I-28] [LO1] [DS1] a record that moves takes all below it along, three generations, to who holds them and from who does not', async () => {
      const { red, blue, both, boss, check } = await createLead(kind)
      expect(idsOf(blue, 'notes')).toEqual([])
      expect(await send(boss, update('leads', 'l', { team: 'blue' }))).toEqual(['applied'])
      await check()
      for (const name of ['leads', 'calls', 'marks', 'notes']) {
        expect([red, blue, both].map((device) => device.held(name).size)).toEqual([0, 1, 1])
      }
    })

    test('[I-28] [DS2] what moves with its parent keeps its version, and comes in the same page', async () => {
      const { world, red, blue, boss } = await createLead(kind)
      await send(boss, update('leads', 'l', { team: 'blue' }))
      const before = blue.replies.length
      await blue.sync()
      expect(blue.replies).toHaveLength(before + 1)
      expect(blue.held('calls').get('c')).toEqual(boss.held('calls').get('c'))
      expect(blue.held('calls').get('c')?.version).toBe(1)
      await send(boss, update('leads', 'l', { team: 'red' }))
      await world.check([red, blue, boss])
    })

    test('[I-14] a unit creates a lead and what is below it; one that is refused leaves nothing', async () => {
      const { red, check } = await createLead(kind)
      const below = (to: string) => [
        create('calls', `c${to}`, { lead: to }),
        create('marks', `m${to}`, { call: `c${to}` }),
      ]
      expect(await send(red, [lead('l2'), ...below('l2')])).toEqual(['applied', 'applied', 'applied'])
      expect(await send(red, [lead('l3'), ...below('l3'), update('leads', 'l3', { team: '' })])).toEqual([
        'blocked',
        'blocked',
        'blocked',
        'rejected INVALID_VALUE',
      ])
      await check()
    })

    test('[I-28] [I-22] a unit that moves a lead and then logs a call: the call is never shown to who lost the lead', async () => {
      const { red, both, check } = await createLead(kind)
      const unit = [update('leads', 'l', { team: 'blue' }), call('canary'), update('calls', 'c', { note: 'canary' })]
      expect(await send(both, unit)).toEqual(['applied', 'applied', 'applied'])
      await check()
      expect(red.replies.join()).not.toContain('canary')
      expect(idsOf(red, 'calls')).toEqual([])
    })

    test('[J4] [J8] the right to a record is that to its parent, before the change and after it', async () => {
      const { red, blue, both, check } = await createLead(kind)
      await send(both, lead('b', 'blue'))
      expect(await send(blue, update('calls', 'c', { stage: 'x' }), op('delete', 'marks', 'm'))).toEqual([
        'rejected NOT_FOUND',
        'rejected NOT_FOUND',
      ])
      expect(await send(red, update('calls', 'c', { stage: 'x' }))).toEqual(['applied'])
      // To where the writer may not follow.
      expect(await send(red, update('calls', 'c', { lead: 'b' }))).toEqual(['rejected REFERENCE_MISSING'])
      expect(await send(red, update('calls', 'c', { lead: null }))).toEqual(['rejected FORBIDDEN'])
      expect(await send(both, update('calls', 'c', { lead: 'b' }))).toEqual(['applied'])
      expect(await send(red, update('marks', 'm', { stage: 'x' }))).toEqual(['rejected NOT_FOUND'])
      expect(await send(blue, update('marks', 'm', { stage: 'x' }))).toEqual(['applied'])
      await check()
    })

    test('[I-22] a parent that is another’s, and one that is not there, get one answer', async () => {
      const { red, blue, both, check } = await createLead(kind)
      await send(both, lead('b', 'blue'), [lead('gone', 'blue'), op('delete', 'leads', 'gone')])
      const answers = []
      for (const parent of ['b', 'gone', 'never']) {
        answers.push(await send(red, call(`c-${parent}`, parent), update('calls', 'c', { lead: parent })))
      }
      expect(new Set(answers.flat())).toEqual(new Set(['rejected REFERENCE_MISSING']))
      expect(idsOf(blue, 'calls')).toEqual([])
      await check()
    })

    test('[I-22] a call of others, a deleted one and one that is not there take the same steps', async () => {
      const steps: string[] = []
      const around =
        (factory: StoreFactory): StoreFactory =>
        (schema) => {
          const store = factory(schema)
          const noting = (tx: StoreTransaction): StoreTransaction => ({
            ...tx,
            load: (name, ids, kept = []) => {
              steps.push(`load ${name} ${ids.length > 0} ${kept.length > 0}`)
              return tx.load(name, ids, kept)
            },
            parents: (...given) => {
              steps.push('parents')
              return tx.parents(...given)
            },
            locate: (records) => {
              steps.push(`locate ${[...records.keys()]}`)
              return tx.locate(records)
            },
            present: (...given) => {
              steps.push('present')
              return tx.present(...given)
            },
          })
          return { ...store, transact: (work) => store.transact((tx) => work(noting(tx))) }
        }
      const { red, blue } = await createLead(kind, around)
      await send(red, call('gone'), op('delete', 'calls', 'gone'))
      const taken = []
      for (const id of ['c', 'gone', 'never']) {
        steps.length = 0
        expect(await send(blue, update('calls', id, { stage: 'x' }))).toEqual(['rejected NOT_FOUND'])
        taken.push(steps.join(', '))
      }
      expect(taken[0]).toContain('load calls true false, load leads false true, locate calls,leads')
      expect(new Set(taken).size).toBe(1)

      await send(red, create('marks', 'm', { call: 'c' }), create('marks', 'm-gone', { call: 'c' }))
      await send(red, op('delete', 'marks', 'm-gone'))
      const below = []
      for (const id of ['m', 'm-gone', 'never']) {
        steps.length = 0
        expect(await send(blue, update('marks', id, { stage: 'x' }))).toEqual(['rejected NOT_FOUND'])
        below.push(steps.join(', '))
      }
      expect(below[0]).toContain('load calls false true, parents, load leads false true, locate marks,calls,leads')
      expect(new Set(below).size).toBe(1)
    })

    test('[I-28] [LO1] without a parent a record lies in all alone; it enters with its first one, and what is below it too', async () => {
      const { red, boss, check } = await createLead(kind)
      expect(await send(red, call('free', null))).toEqual(['rejected FORBIDDEN'])
      expect(await send(boss, call('free', null), create('marks', 'm2', { call: 'free' }))).toEqual([
        'applied',
        'applied',
      ])
      await check()
      expect(idsOf(red, 'calls')).toEqual(['c'])
      expect(await send(boss, update('calls', 'free', { lead: 'l' }))).toEqual(['applied'])
      await check()
      expect(idsOf(red, 'marks')).toEqual(['m', 'm2'])
      await send(boss, update('calls', 'free', { lead: null }))
      await check()
      expect(idsOf(red, 'marks')).toEqual(['m'])
    })

    test('[I-28] [LO1] a record that gets another parent goes where that is, with all below it', async () => {
      const { red, blue, both, check } = await createLead(kind)
      await send(both, lead('b', 'blue'), [update('calls', 'c', { lead: 'b' }), create('notes', 'n2', { mark: 'm' })])
      await check()
      expect(idsOf(red, 'notes')).toEqual([])
      expect(idsOf(blue, 'notes')).toEqual(['n', 'n2'])
      // It hangs on the other one now.
      await send(both, update('leads', 'l', { team: 'blue' }), update('leads', 'b', { team: 'red' }))
      await check()
      expect(idsOf(red, 'notes')).toEqual(['n', 'n2'])
    })

    test('[I-28] [LO2] below a deleted record all stays where that was last: it can be written, but nothing comes to it', async () => {
      const { red, blue, boss, check } = await createLead(kind)
      await send(boss, [update('leads', 'l', { team: 'blue' }), op('delete', 'leads', 'l')])
      await check()
      expect([idsOf(red, 'calls'), idsOf(blue, 'calls')]).toEqual([[], ['c']])
      expect(await send(blue, update('calls', 'c', { stage: 'late' }), call('c2'))).toEqual([
        'applied',
        'rejected REFERENCE_MISSING',
      ])
      expect(await send(blue, create('marks', 'm2', { call: 'c' }))).toEqual(['applied'])
      await check()
      expect(await restore(blue, 'leads', 'l', 3)).toBe('applied')
      expect(await send(blue, call('c2'))).toEqual(['applied'])
      await send(boss, update('leads', 'l', { team: 'red' }))
      await check()
      expect(idsOf(red, 'calls')).toEqual(['c', 'c2'])
    })

    test('[I-28] [LO2] what is below a deleted record in the middle does not follow those above; restored, it goes where they are', async () => {
      const { red, blue, boss } = await createLead(kind)
      await send(red, op('delete', 'calls', 'c'))
      await send(boss, update('leads', 'l', { team: 'blue' }))
      for (const device of [red, blue]) await device.sync()
      expect(
        [red, blue].map((device) => [idsOf(device, 'leads'), idsOf(device, 'marks'), idsOf(device, 'notes')]),
      ).toEqual([
        [[], ['m'], ['n']],
        [['l'], [], []],
      ])
      expect(await send(red, update('notes', 'n', { stage: 'on' }))).toEqual(['applied'])
      expect(await restore(blue, 'calls', 'c', 2)).toBe('rejected NOT_FOUND')
      expect(await restore(boss, 'calls', 'c', 2)).toBe('applied')
      for (const device of [red, blue]) await device.sync()
      expect([red, blue].map((device) => [...device.held('calls').keys(), ...device.held('notes').keys()])).toEqual([
        [],
        ['c', 'n'],
      ])
    })

    test('[DS3] a lead with more calls than are moved at a time: piece by piece, in one transaction', async () => {
      const pieces: number[] = []
      const around =
        (factory: StoreFactory): StoreFactory =>
        (schema) => {
          const store = factory(schema)
          const noting = (tx: StoreTransaction): StoreTransaction => ({
            ...tx,
            children: async (...given) => {
              const found = await tx.children(...given)
              pieces.push(found.length)
              return found
            },
          })
          return { ...store, transact: (work) => store.transact((tx) => work(noting(tx))) }
        }
      const { blue, boss, check } = await createLead(kind, around)
      const many = (of: string, fields: JsonObject, count: number) =>
        Array.from({ length: count }, (_, n) => create(of, `${of}-${n}`, fields))
      expect(new Set(await send(boss, ...many('visits', { lead: 'l' }, 10)))).toEqual(new Set(['applied']))
      expect(new Set(await send(boss, ...many('calls', { lead: 'l' }, 4_990)))).toEqual(new Set(['applied']))
      expect(new Set(await send(boss, ...many('marks', { call: 'calls-4989' }, 20)))).toEqual(new Set(['applied']))
      expect(new Set(await send(boss, ...Array.from({ length: 30 }, (_, n) => call(`z${n}`))))).toEqual(
        new Set(['applied']),
      )
      pieces.length = 0
      await send(boss, update('leads', 'l', { team: 'blue' }))
      expect(pieces.filter((count) => count > 0)).toEqual([5_000, 21, 10, 21, 1])
      await check()
      expect([blue.held('calls').size, blue.held('marks').size]).toEqual([5_021, 21])
    })

    test('[SC1] [SC2] questions and decisions go with what they are about, when its parent moves', async () => {
      const { red, blue, boss, devices, world } = await createLead(kind)
      const cyd = world.device('cyd@red')
      await send(red, create('visits', 'v', { lead: 'l' }))
      await cyd.sync()
      for (const name of ['c', 'v']) {
        const of = name === 'c' ? 'calls' : 'visits'
        for (const [device, text] of [
          [red, 'of Ann'],
          [cyd, 'of Cyd'],
        ] as const) {
          device.write(update(of, name, { note: text }), update(of, name, { stage: text }))
        }
      }
      await red.sync()
      expect((await cyd.sync()).map(inWords)).toContain('conflict ?note')
      // A decision by time: of two stages one is dropped.
      const told = () =>
        [red, blue].map((device) => ['calls', 'visits'].map((of) => toldAbout(device, of, of === 'calls' ? 'c' : 'v')))
      const [[calls = [], visits = []] = [], [none] = []] = told()
      await red.sync()
      const shown = told()[0]
      expect([none, calls, visits]).toEqual([[], [], []])
      expect(shown?.map((values) => values.length)).toEqual([1, 1])
      expect(idsOf(red, conflictsCollection)).toHaveLength(2)
      await send(boss, update('leads', 'l', { team: 'blue' }))
      await world.check([...devices, cyd])
      expect(idsOf(red, conflictsCollection)).toEqual([])
      expect(idsOf(blue, conflictsCollection)).toHaveLength(2)
      // What was decided before it came is shown where the collection says so.
      expect(told()).toEqual([
        [[], []],
        [[], shown?.[1]],
      ])
      await send(boss, update('leads', 'l', { team: 'red' }))
      await world.check([...devices, cyd])
      expect(told()[0]).toEqual([[], shown?.[1]])
    })

    test('[DR3] a decision that one batch meets about a call is shown in no scope that the lead comes into later in it', async () => {
      const { red, blue, both, boss, check } = await createLead(kind)
      await send(red, update('calls', 'c', { stage: 'of Ann' }))
      // Not seen by amy, whose clock is behind: her stage is dropped, and then she moves the lead.
      both.write({ ...update('calls', 'c', { stage: 'of Amy' }), at: startMs - 1_000 })
      both.write(update('leads', 'l', { team: 'blue' }))
      expect((await both.sync()).map(inWords)).toEqual(['merged -stage', 'applied'])
      await check()
      expect([red, blue, both, boss].map((device) => toldAbout(device, 'calls', 'c'))).toEqual([[], [], [], ['of Amy']])
    })

    test('[LO2] nor does it where one batch moves the one above and writes what is below', async () => {
      const { red, both, boss } = await createLead(kind)
      await send(red, op('delete', 'calls', 'c'))
      expect(await send(both, update('leads', 'l', { team: 'blue' }), update('marks', 'm', { stage: 'on' }))).toEqual([
        'applied',
        'applied',
      ])
      for (const device of [red, boss]) await device.sync()
      expect(red.held('marks').get('m')?.version).toBe(2)
      expect([idsOf(red, 'leads'), idsOf(red, 'notes')]).toEqual([[], ['n']])
    })

    test('[I-28] nothing comes back below a parent that the server has forgotten', async () => {
      const { world, red, boss } = await createLead(kind)
      await send(red, op('delete', 'calls', 'c'), op('delete', 'leads', 'l'))
      await world.sql(`delete from "_sidecar_leads" where id = 'l'`)
      await world.sql(`delete from _feed where collection = 'leads' and record = 'l'`)
      expect(await restore(boss, 'calls', 'c', 2)).toBe('rejected REFERENCE_MISSING')
      expect(await send(boss, update('marks', 'm', { stage: 'on' }))).toEqual(['applied'])
    })

    test.each([
      { order: 'moves a lead, then another', calls: 'rejected REFERENCE_MISSING', isMoverFirst: true },
      { order: 'logs a call, then another moves its lead and', calls: 'applied', isMoverFirst: false },
    ])('[AP1] [I-28] in one transaction one user $order logs a call', async ({ calls, isMoverFirst }) => {
      const gate = createGate('locate')
      const { world, red, devices } = await createLead(kind, gate.around)
      await send(red, lead('l2'))
      const [slow, mover, caller] = [world.device('amy@blue+red'), world.device('boss'), world.device('ann@red')]
      for (const each of [slow, mover, caller]) await each.sync()
      gate.shut()
      slow.write(call('slow', 'l2'))
      const slowly = slow.sync()
      await gate.reached
      // Both wait for the one that is under way, and go together.
      mover.write(update('leads', 'l', { team: 'blue' }))
      caller.write(call('canary'))
      const first = (isMoverFirst ? mover : caller).sync()
      await new Promise((resolve) => setTimeout(resolve, 30))
      const second = (isMoverFirst ? caller : mover).sync()
      await new Promise((resolve) => setTimeout(resolve, 30))
      gate.open()
      const [moved, called] = isMoverFirst ? [first, second] : [second, first]
      expect((await Promise.all([slowly, moved, called])).map((all) => all.map(inWords))).toEqual([
        ['applied'],
        ['applied'],
        [calls],
      ])
      if (kind.name === 'embedded') expect(gate.transactions()).toBe(2)
      await world.check([...devices, caller])
    })

    test('[C8] a parent that a merge function made up is refused like one that a person wrote', async () => {
      const { world, red, check } = await createLead(kind)
      const cyd = world.device('cyd@red')
      await send(red, lead('l2'), lead('odd'), create('visits', 'v', { lead: 'l' }))
      await cyd.sync()
      expect(await send(red, update('visits', 'v', { lead: 'l2' }))).toEqual(['applied'])
      cyd.write(update('visits', 'v', { lead: 'odd' }))
      expect((await cyd.sync()).map(inWords)).toEqual(['rejected REFERENCE_MISSING'])
      await check()
    })

    test('[I-28] [I-16] any history of moves, deletions and new parents ends with each device holding what its scopes hold', async () => {
      for (const seed of [1, 2, 3]) await playHistory(kind, seed)
    })
  })
}

/** Two processes over one database, in the middle of what each does. */
export function describeViaRaces(kind: StoreKind): void {
  describe(`a call and its lead at one time on ${kind.name}`, { timeout: 60_000 }, () => {
    /** The first of them is stopped after this step of its transaction, the second begins, and has to wait. */
    const races: readonly {
      readonly name: string
      readonly first: readonly [user: string, after: 'locate' | 'children', write: () => Write]
      readonly second: readonly [user: string, write: () => Write]
    }[] = [
      {
        name: 'a call that is being written when its lead moves',
        first: ['ann@red', 'locate', () => call('canary')],
        second: ['boss', () => update('leads', 'l', { team: 'blue' })],
      },
      {
        name: 'a call that is written while its lead is moving',
        first: ['boss', 'children', () => update('leads', 'l', { team: 'blue' })],
        second: ['amy@blue+red', () => call('canary')],
      },
      {
        name: 'a mark that is being written when the lead of its call moves',
        first: ['ann@red', 'locate', () => create('marks', 'canary', { call: 'c' })],
        second: ['boss', () => update('leads', 'l', { team: 'blue' })],
      },
      {
        name: 'a mark that is written while the lead of its call is moving',
        first: ['boss', 'children', () => update('leads', 'l', { team: 'blue' })],
        second: ['amy@blue+red', () => create('marks', 'canary', { call: 'c' })],
      },
      {
        name: 'a call that is leaving for another lead when its lead moves',
        first: ['amy@blue+red', 'locate', () => update('calls', 'c', { lead: 'l2' })],
        second: ['boss', () => update('leads', 'l', { team: 'blue' })],
      },
      {
        name: 'a call that comes from another lead while its lead is moving',
        first: ['boss', 'children', () => update('leads', 'l', { team: 'blue' })],
        second: ['amy@blue+red', () => update('calls', 'c2', { lead: 'l' })],
      },
    ]
    test.each(races)('[I-28] [SS10] $name ends up where the lead is', async ({ first, second }) => {
      const { world, red, devices } = await createLead(kind)
      await send(red, lead('l2'), call('c2', 'l2'))
      const [firstUser, step, firstWrite] = first
      const gate = createGate(step)
      const slow = (await world.another(gate.around)).device(firstUser)
      const quick = (await world.another()).device(second[0])
      await slow.sync()
      await quick.sync()
      gate.shut()
      slow.write(firstWrite())
      const slowly = slow.sync()
      await gate.reached
      quick.write(second[1]())
      let isDone = false
      const quickly = quick.sync().finally(() => (isDone = true))
      await new Promise((resolve) => setTimeout(resolve, 150))
      expect(isDone).toBe(false)
      gate.open()
      expect((await Promise.all([slowly, quickly])).flat().map(inWords)).toEqual(['applied', 'applied'])
      await world.check(devices)
    })

    // Each while `boss` moves the lead of the call from red to blue, and is stopped in the middle.
    test.each([
      { what: 'takes the call to another lead', sql: `update calls set lead = 'l2' where id = 'c'` },
      { what: 'brings another call', sql: `update calls set lead = 'l' where id = 'c2'` },
      { what: 'changes the call', sql: `update calls set stage = 'sql' where id = 'c'` },
      { what: 'deletes the call', sql: `delete from calls where id = 'c'` },
      { what: 'adds a call', sql: `insert into calls (id, lead) values ('c3', 'l')` },
      { what: 'adds a mark to the call', sql: `insert into marks (id, call) values ('m3', 'c')` },
      { what: 'moves the lead on', sql: `update leads set team = 'green' where id = 'l'` },
    ])('[I-28] plain SQL $what while the lead moves', async ({ sql }) => {
      const { world, red, blue, both, boss } = await createLead(kind)
      await send(red, lead('l2'), call('c2', 'l2'))
      const gate = createGate('children')
      const slow = (await world.another(gate.around)).device('boss')
      await slow.sync()
      gate.shut()
      slow.write(update('leads', 'l', { team: 'blue' }))
      const slowly = slow.sync()
      await gate.reached
      const quickly = world.sql(sql)
      await new Promise((resolve) => setTimeout(resolve, 100))
      gate.open()
      await quickly
      expect((await slowly).map(inWords)).toEqual(['applied'])
      await world.check([red, blue, both, boss])
    })

    test('[GA1] who edits leads and logs calls of others, and who does the same the other way round, do not deadlock', async () => {
      const { world, red } = await createLead(kind)
      const leads = Array.from({ length: 12 }, (_, n) => `x${n}`)
      await send(red, ...leads.map((id) => lead(id)))
      const processes = [await world.another(), await world.another()]
      const devices = processes.flatMap(({ device }) => [device('ann@red'), device('amy@blue+red')])
      for (const device of devices) await device.sync()
      const { next } = createSeededRandom(1)
      const any = () => pickFrom(leads, Math.floor(next() * leads.length))
      const working = devices.map(async (device, who) => {
        for (let n = 0; n < 15; n++) {
          for (let k = 0; k < 4; k++) {
            device.write(update('leads', any(), { stage: `${who} ${n}` }), call(`${who}-${n}-${k}`, any()))
          }
          await device.sync()
        }
      })
      await Promise.all(working)
      await world.check(devices)
      expect(devices[0]?.held('calls').size).toBe(1 + 4 * 15 * devices.length)
      expect(await Promise.all(processes.map(({ retries }) => retries()))).toEqual([0, 0])
    })

    test('[I-28] any history with plain SQL among the writers ends with each device holding what its scopes hold', async () => {
      for (const seed of [4, 5]) await playHistory(kind, seed, 'plain SQL too')
    })

    test('[I-28] [I-16] three processes that write calls and move their leads all the time: every call is where its lead is', async () => {
      const { world, red, boss, devices } = await createLead(kind)
      const other = await world.another()
      const third = await world.another()
      await send(red, lead('l2'), lead('l3'))
      const callers = [other.device('amy@blue+red'), third.device('amy@blue+red'), world.device('amy@blue+red')]
      let isOver = false
      const moving = (async () => {
        for (let n = 0; n < 40; n++) {
          boss.write(update('leads', pickFrom(['l', 'l2', 'l3'], n), { team: n % 2 === 0 ? 'blue' : 'red' }))
          await boss.sync()
        }
        isOver = true
      })()
      const calling = callers.map(async (device, who) => {
        for (let n = 0; !isOver; n++) {
          const id = `${who}-${n}`
          device.write(call(id, pickFrom(['l', 'l2', 'l3'], n)), create('marks', `m${id}`, { call: id }))
          if (n > 2) device.write(update('calls', `${who}-${n - 2}`, { lead: pickFrom(['l2', 'l3', 'l'], n) }))
          await device.sync()
        }
      })
      await Promise.all([moving, ...calling])
      await world.check([...devices, ...callers])
      expect(idsOf(boss, 'marks').length).toBeGreaterThan(60)
    })
  })
}

function pickFrom<T>(all: readonly T[], n: number): T {
  return all[n % all.length] as T
}

/** A store whose next transaction waits after a step, once the gate is shut. */
function createGate(step: 'locate' | 'children') {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isShut = false
  let transactions = 0
  const waited = async <T>(answer: Promise<T>): Promise<T> => {
    const value = await answer
    if (!isShut) return value
    reached.resolve()
    await opened.promise
    return value
  }
  const gated = (tx: StoreTransaction): StoreTransaction => ({
    ...tx,
    locate: (records) => (step === 'locate' ? waited(tx.locate(records)) : tx.locate(records)),
    children: (...given) => (step === 'children' ? waited(tx.children(...given)) : tx.children(...given)),
  })
  return {
    around:
      (factory: StoreFactory): StoreFactory =>
      (schema) => {
        const store = factory(schema)
        return {
          ...store,
          transact: (work) => {
            if (isShut) transactions += 1
            return store.transact((tx) => work(gated(tx)))
          },
        }
      },
    shut: () => (isShut = true),
    /** Since then. */
    transactions: () => transactions,
    open: () => opened.resolve(),
    reached: reached.promise,
  }
}

/** Random units of random devices, that meet in any order; what is refused is refused. */
async function playHistory(
  kind: StoreKind,
  seed: number,
  among: 'devices' | 'plain SQL too' = 'devices',
): Promise<void> {
  const world = await createViaWorld(kind, onTestFinished)
  const { next } = createSeededRandom(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T
  const devices = ['ann@red', 'ben@blue', 'amy@blue+red', 'eve@red+green', 'boss', 'max'].map((user) =>
    world.device(user === 'max' ? 'boss' : user),
  )
  const id = (of: string) => `${of}${Math.floor(next() * 4)}`
  const some = (): Write => {
    const move: (() => Write)[] = [
      () => lead(id('l'), pick(['red', 'blue', 'green'])),
      () => call(id('c'), pick([id('l'), id('l'), null])),
      () => create('visits', id('v'), { lead: id('l') }),
      () => create('marks', id('m'), { call: id('c') }),
      () => create('notes', id('n'), { mark: id('m') }),
      () => update('leads', id('l'), { team: pick(['red', 'blue', 'green']) }),
      () => update('leads', id('l'), { team: pick(['red', 'blue', 'green']) }),
      () => update('calls', id('c'), { lead: pick([id('l'), id('l'), null]) }),
      () => update('marks', id('m'), { call: id('c') }),
      () => update(pick(['calls', 'visits']), pick([id('c'), id('v')]), { note: `${next()}` }),
      () => op('delete', pick(['leads', 'notes']), pick([id('l'), id('n')])),
    ]
    return pick(move)()
  }
  let written = 0
  const teamText = () => `'${pick(['red', 'blue', 'green'])}'`
  const leads = () => `id in ('${id('l')}', '${id('l')}')`
  const statement = () =>
    pick([
      () => `update leads set team = ${teamText()} where ${leads()}`,
      () => `update calls set lead = '${id('l')}' where id in ('${id('c')}', '${id('c')}')`,
      () => `update calls set lead = null where id = '${id('c')}'`,
      () => `update marks set call = '${id('c')}' where id in ('${id('m')}', '${id('m')}')`,
      () => `update visits set stage = 'sql', lead = '${id('l')}' where id = '${id('v')}'`,
      () => `insert into leads (id, team, note, stage) values ('${id('l')}', ${teamText()}, '', 'new')`,
      () => `insert into calls (id, lead, note, stage) values ('${id('c')}', '${id('l')}', '', 'new')`,
      () => `insert into marks (id, call, stage) values ('${id('m')}', '${id('c')}', 'new')`,
      () => `delete from leads where ${leads()}`,
      () => `delete from notes where id = '${id('n')}'`,
    ])()
  for (let step = 0; step < 120; step++) {
    // What breaks a key or a reference is refused, as it is to a device.
    if (among === 'plain SQL too') {
      await world.sql(statement()).then(
        () => (written += 1),
        (error: { code: string }) => expect(error.code).toMatch(/^23/),
      )
    }
    const device = pick(devices)
    device.write(...Array.from({ length: 1 + Math.floor(next() * 3) }, some))
    if (next() < 0.5) await device.sync()
    if (next() < 0.1) await restore(pick(devices), 'leads', id('l'), 1 + Math.floor(next() * 8))
    if (step % 40 === 39) await world.check(devices)
  }
  await world.check(devices)
  await world.check([world.device('new@blue'), world.device('boss')])
  expect(written).toBeGreaterThanOrEqual(among === 'plain SQL too' ? 60 : 0)
}
