/** Every merge strategy through the server, on a given store: three devices that write the same record, in every order of arrival. */
import type { Json, JsonObject, OperationKind } from '@holdfast/core'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  conflictsAbout,
  createMergingWorld,
  decisionsAbout,
  type MergingWorld,
  startMs,
} from '../support/merging-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { inWords } from '../support/wire-device.ts'

interface Writing {
  readonly kind?: OperationKind
  readonly fields?: JsonObject
  /** Milliseconds after the record was made. */
  readonly at: number
}

/** Three writings, each by a device of its own that has seen the record as it was made. */
interface Merge {
  readonly name: string
  readonly collection: string
  readonly writings: readonly [Writing, Writing, Writing]
  /** What the record holds at the end of what is named here, by the order in which the writings arrived; null: it is deleted. */
  readonly end: (order: readonly number[]) => JsonObject | null
  /** The sides of open conflicts. */
  readonly asked?: (order: readonly number[]) => readonly Json[]
}

const edits = (a: JsonObject, b: JsonObject, c: JsonObject): Merge['writings'] => [
  { fields: a, at: 1_000 },
  { fields: b, at: 3_000 },
  { fields: c, at: 2_000 },
]
const titles = edits({ title: 'Alpha' }, { title: 'Beta' }, { title: 'Gamma' })
const titleOf = (index: number | undefined) => ['Alpha', 'Beta', 'Gamma'][index ?? -1] ?? ''
const first = (order: readonly number[]) => ({ title: titleOf(order[0]) })
const last = (order: readonly number[]) => ({ title: titleOf(order[2]) })
const others = (order: readonly number[]) => order.slice(1).map(titleOf)
const latest = () => ({ title: 'Beta' })
const deletion: Merge['writings'] = [
  { fields: { title: 'Alpha' }, at: 1_000 },
  { kind: 'delete', at: 3_000 },
  { fields: { stage: 'Gamma' }, at: 2_000 },
]
const made = { title: 'title', stage: 'stage' }

const merges: readonly Merge[] = [
  {
    name: '[C1] [I-19] different fields are all kept',
    collection: 'fields',
    writings: edits({ title: 'Alpha' }, { stage: 'Beta' }, { note: 'Gamma' }),
    end: () => ({ title: 'Alpha', stage: 'Beta', note: 'Gamma' }),
  },
  { name: '[C1] [C2] of one field the latest stands', collection: 'fields', writings: titles, end: latest },
  { name: '[C2] last write wins', collection: 'lww', writings: titles, end: latest },
  {
    name: '[C2] by the server’s time the last to arrive stands',
    collection: 'serverTime',
    writings: titles,
    end: last,
  },
  { name: '[C3] the server’s stands', collection: 'serverWins', writings: titles, end: first },
  { name: '[C4] what comes in stands', collection: 'clientWins', writings: titles, end: last },
  {
    name: '[C5] [I-19] of a field that people settle every lost update is a conflict',
    collection: 'fields',
    writings: edits({ note: 'Alpha' }, { note: 'Beta' }, { note: 'Gamma' }),
    end: (order) => ({ note: titleOf(order[0]) }),
    asked: others,
  },
  {
    name: '[C5] [I-19] a collection that people settle',
    collection: 'manual',
    writings: titles,
    end: first,
    asked: others,
  },
  { name: '[C6] concurrent edits merge by fields', collection: 'causal', writings: titles, end: latest },
  {
    name: '[C6] concurrent edits ask where the collection says so, of other fields too',
    collection: 'causalAsk',
    writings: edits({ title: 'Alpha' }, { stage: 'Beta' }, { title: 'Gamma' }),
    end: (order) => [{ title: 'Alpha' }, { stage: 'Beta' }, { title: 'Gamma' }][order[0] ?? -1] ?? {},
    asked: others,
  },
  {
    name: '[C7] increments add up',
    collection: 'fields',
    writings: [
      { kind: 'increment', fields: { visits: 5 }, at: 1_000 },
      { kind: 'increment', fields: { visits: -2, steps: 1 }, at: 3_000 },
      { kind: 'increment', fields: { steps: 7 }, at: 2_000 },
    ],
    end: () => ({ visits: 3, steps: 8 }),
  },
  {
    name: '[C7] a text that one adds to a set while others remove it stays',
    collection: 'fields',
    writings: [
      { kind: 'add', fields: { tags: ['x', 'y'] }, at: 1_000 },
      { kind: 'remove', fields: { tags: ['kept', 'lost'] }, at: 3_000 },
      { kind: 'add', fields: { tags: ['kept'] }, at: 2_000 },
    ],
    end: () => ({ tags: ['kept', 'x', 'y'] }),
  },
  {
    name: '[C8] a function that commutes',
    collection: 'fields',
    writings: edits({ story: 'ox' }, { story: 'bear' }, { story: 'bees' }),
    end: () => ({ story: 'bees' }),
  },
  {
    name: '[C8] a function of the order of arrival',
    collection: 'fields',
    writings: edits({ log: 'Alpha' }, { log: 'Beta' }, { log: 'Gamma' }),
    end: (order) => ({ log: order.map(titleOf).join('') }),
  },
  {
    name: '[C10] a record as a whole is never mixed',
    collection: 'whole',
    writings: edits({ title: 'Alpha' }, { stage: 'Beta' }, { title: 'Gamma' }),
    end: () => ({ ...made, stage: 'Beta' }),
  },
  {
    name: '[C5] [C10] a record as a whole that people settle',
    collection: 'wholeManual',
    writings: edits({ title: 'Alpha' }, { stage: 'Beta' }, { title: 'Gamma' }),
    end: (order) => ({ ...made, ...[{ title: 'Alpha' }, { stage: 'Beta' }, { title: 'Gamma' }][order[0] ?? -1] }),
    asked: (order) =>
      order.slice(1).map((index) => ({
        ...made,
        ...[{ title: 'Alpha' }, { stage: 'Beta' }, { title: 'Gamma' }][index],
      })),
  },
  { name: '[C9] [I-20] deletions win', collection: 'deleteWins', writings: deletion, end: () => null },
  {
    name: '[C9] [I-20] edits win over a deletion',
    collection: 'editWins',
    writings: deletion,
    end: () => ({ title: 'Alpha', stage: 'Gamma' }),
  },
  {
    name: '[C9] [I-20] deletion against edit asks',
    collection: 'deleteAsk',
    writings: deletion,
    end: (order) => (order[0] === 1 ? null : { title: 'Alpha', stage: 'Gamma' }),
    asked: (order) =>
      order[0] === 1
        ? [
            { ...made, title: 'Alpha' },
            { ...made, stage: 'Gamma' },
          ]
        : [null],
  },
]

const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const

export function describeMerging(store: StoreKind): void {
  describe(`merging on ${store.name}`, { timeout: 60_000 }, () => {
    let world: MergingWorld
    beforeAll(async () => {
      let close = async () => {}
      world = await createMergingWorld(store, (end) => {
        close = end
      })
      return () => close()
    })

    describe('[I-18] three devices in every order of arrival', () => {
      describe.each(merges)('$name', ({ collection, writings, end, asked = () => [] }) => {
        test.each(orders)('%i, %i, %i', async (...order) => {
          const { record, devices, looker, outcomes } = await arrive(world, { collection, writings, order })

          const row = looker.held(collection).get(record)?.values.fields ?? null
          const expected = end(order)
          if (expected === null) expect(row).toBe(null)
          else expect(row).toMatchObject(expected)

          const conflicts = conflictsAbout(looker, collection, record)
          const sides = conflicts.map(({ local }) => withoutTeam(local ?? null))
          const expectedSides: readonly unknown[] = asked(order)
          expect(sides).toHaveLength(expectedSides.length)
          expect(sides).toEqual(expect.arrayContaining([...expectedSides]))
          for (const conflict of conflicts) {
            const index = devices.findIndex(({ id }) => id === conflict.localDevice)
            expect(conflict).toMatchObject({
              localUser: devices[index]?.user,
              localAt: startMs + (writings[index]?.at ?? 0),
              remote: expected === null ? null : expect.anything(),
            })
          }

          // Nobody's work is thrown away: what was written stands, is asked about, is in a decision, or was refused into an inbox.
          const kept = JSON.stringify([row, conflicts, decisionsAbout(looker, collection, record)])
          for (const [index, { kind = 'update', fields = {} }] of writings.entries()) {
            if (outcomes[index]?.startsWith('rejected')) continue
            if (kind !== 'update') continue
            for (const value of Object.values(fields)) expect(kept).toContain(String(value))
          }

          // Everybody holds the same, the questions and the decisions included.
          for (const device of devices) {
            expect(device.held(collection).get(record)).toEqual(looker.held(collection).get(record))
            expect(conflictsAbout(device, collection, record)).toEqual(conflicts)
            expect(decisionsAbout(device, collection, record)).toEqual(decisionsAbout(looker, collection, record))
          }
        })
      })
    })

    test('[C6] an edit whose writer had seen all others takes effect, whatever the clocks say', async () => {
      const [ann, ben] = [world.device('ann@seen'), world.device('ben@seen')]
      const write = { collection: 'causal', record: 'seen', kind: 'update' } as const
      ann.write({ ...write, kind: 'create', fields: { team: 'seen', ...made }, at: startMs })
      await ann.sync()
      await ben.sync()
      ann.write({ ...write, fields: { title: 'Alpha' }, at: startMs + 9_000 })
      await ann.sync()
      await ben.sync()
      ben.write({ ...write, fields: { title: 'Beta' }, at: startMs + 1 })
      expect((await ben.sync()).map(inWords)).toEqual(['applied'])
      expect(ben.held('causal').get('seen')?.values.fields).toMatchObject({ title: 'Beta' })
      expect(decisionsAbout(ben, 'causal', 'seen')).toEqual([])
    })

    describe('[I-18] a decision holds what was dropped, base and result, who and when, on which device', () => {
      const both = { local: 'Alpha', remote: 'Beta' }
      test.each([
        { collection: 'fields', strategy: 'lww', winner: 'remote', result: 'Beta', ...both },
        { collection: 'serverTime', strategy: 'serverTime', winner: 'local', result: 'Alpha', ...both },
        { collection: 'serverWins', strategy: 'serverWins', winner: 'remote', result: 'Beta', ...both },
        { collection: 'clientWins', strategy: 'clientWins', winner: 'local', result: 'Alpha', ...both },
        { collection: 'causal', strategy: 'lww', winner: 'remote', result: 'Beta', ...both },
      ])('$collection', async ({ collection, ...decision }) => {
        const { record, devices, looker } = await arrive(world, {
          collection,
          writings: titles.slice(0, 2),
          order: [1, 0],
        })
        const [a, b] = devices
        const [met, ...more] = decisionsAbout(looker, collection, record)
        expect(more).toEqual([])
        expect(met).toMatchObject({
          ...decision,
          collection,
          record,
          field: 'title',
          base: 'title',
          localUser: a?.user,
          localDevice: a?.id,
          localAt: startMs + 1_000,
          remoteUser: b?.user,
          remoteDevice: b?.id,
          remoteAt: startMs + 3_000,
          remoteCorrectedAt: expect.any(Number),
          settledUser: null,
          version: looker.held(collection).get(record)?.version,
        })
        const row = looker.held('_decisions').get(met?.id ?? '')
        expect(row?.values.createdAt).toBeGreaterThan(startMs + 3_000)
      })

      test('of a third value', async () => {
        const { record, looker } = await arrive(world, {
          collection: 'fields',
          writings: edits({ log: 'Alpha' }, { log: 'Beta' }, { log: 'Gamma' }).slice(0, 2),
          order: [1, 0],
        })
        expect(decisionsAbout(looker, 'fields', record)).toEqual([
          expect.objectContaining({
            field: 'log',
            strategy: 'custom',
            winner: 'merged',
            base: '',
            local: 'Alpha',
            remote: 'Beta',
            result: 'BetaAlpha',
          }),
        ])
      })

      test('of a deletion over an edit, and of an edit over a deletion', async () => {
        const over = await arrive(world, { collection: 'deleteWins', writings: deletion.slice(0, 2), order: [0, 1] })
        expect(over.outcomes).toEqual(['applied', 'merged'])
        expect(decisionsAbout(over.looker, 'deleteWins', over.record)).toEqual([
          expect.objectContaining({
            field: '',
            strategy: 'deleteWins',
            winner: 'local',
            base: expect.objectContaining(made),
            local: null,
            remote: expect.objectContaining({ ...made, title: 'Alpha' }),
            result: null,
          }),
        ])
        const under = await arrive(world, { collection: 'editWins', writings: deletion.slice(0, 2), order: [0, 1] })
        expect(under.outcomes).toEqual(['applied', 'merged -'])
        expect(decisionsAbout(under.looker, 'editWins', under.record)).toEqual([
          expect.objectContaining({ field: '', strategy: 'editWins', winner: 'remote', local: null }),
        ])
      })
    })
  })
}

let records = 0

/** A record in a team of its own, whose devices write on what was made, arrive in the given order, and pull once more. */
async function arrive(
  world: MergingWorld,
  {
    collection,
    writings,
    order,
  }: { readonly collection: string; readonly writings: readonly Writing[]; readonly order: readonly number[] },
) {
  records += 1
  const record = `r${records}`
  const maker = world.device(`maker@${record}`)
  const given = collection === 'fields' ? { tags: ['kept', 'lost'] } : {}
  maker.write({ collection, record, kind: 'create', fields: { team: record, ...given }, at: startMs })
  await maker.sync()
  const devices = writings.map((_, index) => world.device(`user${index}@${record}`))
  for (const device of devices) await device.sync()
  for (const [index, { kind = 'update', fields = {}, at }] of writings.entries()) {
    devices[index]?.write({ collection, record, kind, fields, at: startMs + at })
  }
  const outcomes: string[] = []
  for (const index of order) {
    outcomes[index] = ((await devices[index]?.sync()) ?? []).map(inWords).join()
  }
  for (const device of devices) await device.sync()
  const looker = world.device(`looker@${record}`)
  await looker.sync()
  return { record, devices, looker, outcomes }
}

function withoutTeam(side: Json): Json {
  if (typeof side !== 'object' || side === null || Array.isArray(side)) return side
  const { team: _, ...fields } = side as JsonObject
  return fields
}
