/** The life of conflicts and decisions on the server, on a given store: amended, settled, carried along with their record, kept from strangers. */
import {
  conflictsCollection,
  decisionsCollection,
  type JsonObject,
  type Operation,
  openConflictsMax,
  parseOperationId,
  subjectOf,
} from '@holdfast/core'
import type { StoreFactory, StoreTransaction } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  conflictsAbout,
  createMergingWorld,
  decisionsAbout,
  type MergingWorld,
  mergingSchema,
  startMs,
} from '../support/merging-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { inWords, type WireDevice, type Write } from '../support/wire-device.ts'

const [fields, record, team] = ['fields', 'r', 'red']

/** An update of the record `r` of the collection `fields`, at so many milliseconds after the start. */
const update = (at: number, given: JsonObject, more: Partial<Write> = {}): Write => ({
  collection: fields,
  record,
  kind: 'update',
  fields: given,
  at: startMs + at,
  ...more,
})
const note = (at: number, text: string, more: Partial<Write> = {}) => update(at, { note: text }, more)

async function outcomesOf(device: WireDevice, operations?: readonly Operation[]): Promise<readonly string[]> {
  return (await device.sync(operations)).map(inWords)
}

const rowOf = (device: WireDevice, collection = fields) => device.held(collection).get(record)
const openAbout = (device: WireDevice) => conflictsAbout(device, fields, record)
const metAbout = (device: WireDevice) => decisionsAbout(device, fields, record)

/** Ann and Ben of one team hold the record; both have written its note, and Ben, who came second, was asked. */
async function createDispute(world: MergingWorld, collection = fields) {
  const [ann, ben] = [world.device(`ann@${team}`), world.device(`ben@${team}`)]
  const more = { collection }
  ann.write(update(0, { team }, { kind: 'create', ...more }))
  await ann.sync()
  await ben.sync()
  ann.write(note(1_000, 'of Ann', more))
  ben.write(note(2_000, 'of Ben', more))
  await ann.sync()
  const outcomes = await outcomesOf(ben)
  await ann.sync()
  return { ann, ben, outcomes }
}

export function describeConflicts(store: StoreKind): void {
  const createWorld = (options?: Parameters<typeof createMergingWorld>[2]) =>
    createMergingWorld(store, onTestFinished, options)

  describe(`conflicts on ${store.name}`, { timeout: 60_000 }, () => {
    describe('a life', () => {
      test('[I-19] [C5] both versions and their base are kept, on the server and on each device, whatever restarts', async () => {
        const world = await createWorld()
        const { ann, outcomes } = await createDispute(world)
        expect(outcomes).toEqual(['conflict ?note'])
        await world.restart()
        const cyd = world.device(`cyd@${team}`)
        await cyd.sync()
        expect(openAbout(cyd)).toEqual([
          expect.objectContaining({
            collection: fields,
            record,
            field: 'note',
            base: 'note',
            local: 'of Ben',
            localUser: `ben@${team}`,
            localAt: startMs + 2_000,
            remote: 'of Ann',
            remoteUser: `ann@${team}`,
            remoteAt: startMs + 1_000,
            revision: 1,
          }),
        ])
        expect(openAbout(ann)).toEqual(openAbout(cyd))
        expect(rowOf(cyd)?.values.fields).toMatchObject({ note: 'of Ann' })
      })

      test('[CF1] what its author writes on changes the question and not the record; work on other fields goes on', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        ben.write(note(3_000, 'of Ben, longer'))
        ben.write(update(4_000, { stage: 'of Ben' }))
        expect(await outcomesOf(ben)).toEqual(['conflict ?note', 'applied'])
        ann.write(update(5_000, { title: 'of Ann' }))
        expect(await outcomesOf(ann)).toEqual(['applied'])
        expect(rowOf(ann)?.values.fields).toMatchObject({ note: 'of Ann', stage: 'of Ben', title: 'of Ann' })
        expect(openAbout(ann)).toEqual([
          expect.objectContaining({ base: 'note', local: 'of Ben, longer', revision: 2, localAt: startMs + 3_000 }),
        ])
      })

      test('[CF2] the server’s side moves with the record; where both sides become equal nothing is left to settle', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        ann.write(note(3_000, 'of Ann, again'))
        await ann.sync()
        expect(openAbout(ann)).toEqual([
          expect.objectContaining({ remote: 'of Ann, again', remoteAt: startMs + 3_000, revision: 1 }),
        ])
        ann.write(note(4_000, 'of Ben'))
        await ann.sync()
        await ben.sync()
        expect([openAbout(ann), openAbout(ben)]).toEqual([[], []])
        expect(rowOf(ben)?.values.fields).toMatchObject({ note: 'of Ben' })
      })

      test.each([
        { what: 'by its author', isAuthor: true },
        { what: 'by somebody else', isAuthor: false },
      ])(
        '[CF3] it is settled $what with a third value: closed everywhere, and the decision says by whom',
        async ({ isAuthor }) => {
          const world = await createWorld()
          const { ann, ben } = await createDispute(world)
          const [settler, other] = isAuthor ? [ben, ann] : [ann, ben]
          const [open] = openAbout(settler)
          settler.write(note(5_000, 'of both', { settles: [{ conflict: open?.id ?? '', revision: 1 }] }))
          expect(await outcomesOf(settler)).toEqual(['applied'])
          await other.sync()
          for (const device of [settler, other]) {
            expect(openAbout(device)).toEqual([])
            expect(rowOf(device)?.values.fields).toMatchObject({ note: 'of both' })
            expect(metAbout(device)).toEqual([
              expect.objectContaining({
                field: 'note',
                strategy: 'manual',
                winner: 'merged',
                base: 'note',
                local: 'of Ben',
                remote: 'of Ann',
                result: 'of both',
                settledUser: settler.user,
                settledDevice: settler.id,
                settledAt: startMs + 5_000,
              }),
            ])
          }
        },
      )

      test('[CF3] it is settled for what stands, without a field', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const [open] = openAbout(ann)
        ann.write(update(5_000, {}, { settles: [{ conflict: open?.id ?? '', revision: 1 }] }))
        expect(await outcomesOf(ann)).toEqual(['applied'])
        expect(openAbout(ann)).toEqual([])
        expect(metAbout(ann)).toEqual([expect.objectContaining({ winner: 'remote', result: 'of Ann' })])
      })

      test('[CF3] a settlement that the record has overtaken closes what it saw and asks again', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        const [open] = openAbout(ben)
        ben.write(note(5_000, 'of both', { settles: [{ conflict: open?.id ?? '', revision: 1 }] }))
        ann.write(note(6_000, 'of Ann, again'))
        await ann.sync()
        expect(await outcomesOf(ben)).toEqual(['conflict ?note'])
        await ann.sync()
        expect(openAbout(ann)).toEqual([
          expect.objectContaining({ base: 'of Ann', local: 'of both', remote: 'of Ann, again' }),
        ])
        expect(openAbout(ann)[0]?.id).not.toBe(open?.id)
        expect(metAbout(ann)).toEqual([expect.objectContaining({ settledUser: ben.user, local: 'of Ben' })])
      })

      test('[CF3] a settlement by somebody who had not seen the author’s last word leaves the question open', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        const [open] = openAbout(ann)
        ann.write(note(6_000, 'of both', { settles: [{ conflict: open?.id ?? '', revision: 1 }] }))
        ben.write(note(5_000, 'of Ben, longer'))
        await ben.sync()
        expect(await outcomesOf(ann)).toEqual(['applied'])
        expect(openAbout(ann)).toEqual([
          expect.objectContaining({ id: open?.id, local: 'of Ben, longer', remote: 'of both', revision: 2 }),
        ])
        expect(metAbout(ann)).toEqual([])
      })

      test('[CF1] two devices of one person have a question each', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const tablet = world.device(`ben@${team}`)
        tablet.write(note(9_000, 'of the tablet'))
        expect(await outcomesOf(tablet)).toEqual(['conflict ?note'])
        await ann.sync()
        expect(
          openAbout(ann)
            .map(({ local }) => local)
            .sort(),
        ).toEqual(['of Ben', 'of the tablet'])
      })

      test('[I-19] ten at once: one stands, nine are asked, and each question is of the record as it is', async () => {
        const world = await createWorld()
        const devices = Array.from({ length: 10 }, (_, index) => world.device(`user${index}@${team}`))
        const [first] = devices
        first?.write(update(0, { team }, { kind: 'create' }))
        for (const device of devices) await device.sync()
        for (const [index, device] of devices.entries()) device.write(note(1_000 + index, `of ${device.user}`))
        const outcomes = await Promise.all(devices.map((device) => outcomesOf(device)))
        expect(outcomes.flat().sort()).toEqual(['applied', ...Array(9).fill('conflict ?note')])
        const looker = world.device(`looker@${team}`)
        await looker.sync()
        const stands = rowOf(looker)?.values.fields.note
        const asked = openAbout(looker)
        expect(asked.every(({ remote }) => remote === stands)).toBe(true)
        expect([stands, ...asked.map(({ local }) => local)].sort()).toEqual(
          devices.map(({ user }) => `of ${user}`).sort(),
        )
      })

      test('[I-20] a deletion takes the questions of its record along, and each side is in a decision', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        ann.write(update(5_000, {}, { kind: 'delete' }))
        expect(await outcomesOf(ann)).toEqual(['merged'])
        await ben.sync()
        expect([openAbout(ben), rowOf(ben)]).toEqual([[], undefined])
        expect(metAbout(ben)).toEqual([
          expect.objectContaining({
            field: 'note',
            strategy: 'deleteWins',
            local: 'of Ben',
            remote: null,
            result: null,
          }),
        ])
      })

      test('[I-20] a deletion that asks is settled for the deletion, or for the edit', async () => {
        for (const isDeleted of [true, false]) {
          const world = await createWorld()
          const [ann, ben] = [world.device(`ann@${team}`), world.device(`ben@${team}`)]
          const more = { collection: 'deleteAsk' }
          ann.write(update(0, { team }, { kind: 'create', ...more }))
          await ann.sync()
          await ben.sync()
          ann.write(update(1_000, {}, { kind: 'delete', ...more }))
          ben.write(update(2_000, { title: 'of Ben' }, more))
          expect(await outcomesOf(ann)).toEqual(['applied'])
          expect(await outcomesOf(ben)).toEqual(['conflict ?'])
          await ann.sync()
          const [open] = conflictsAbout(ann, 'deleteAsk', record)
          const settles = [{ conflict: open?.id ?? '', revision: 1 }]
          const side = open?.local as JsonObject
          const settling = isDeleted
            ? update(5_000, {}, { kind: 'delete', settles, ...more })
            : update(5_000, { ...side, stage: 'of Ann' }, { kind: 'restore', settles, ...more })
          ann.write(settling)
          expect(await outcomesOf(ann)).toEqual(['applied'])
          await ben.sync()
          expect(conflictsAbout(ben, 'deleteAsk', record)).toEqual([])
          const fields = rowOf(ben, 'deleteAsk')?.values.fields
          if (isDeleted) expect(fields).toBe(undefined)
          else expect(fields).toMatchObject({ title: 'of Ben', stage: 'of Ann' })
          expect(decisionsAbout(ben, 'deleteAsk', record)).toEqual([
            expect.objectContaining({ settledUser: ann.user, winner: isDeleted ? 'remote' : 'merged' }),
          ])
        }
      })

      test('a settlement with values that a field may not hold is refused, of a restore too', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const settles = [{ conflict: openAbout(ann)[0]?.id ?? '', revision: 1 }]
        ann.write(update(5_000, { note: 7 }, { settles }))
        ann.write(update(5_001, { note: 7 }, { kind: 'restore', settles }))
        ann.write(update(5_002, { size: 7 }, { kind: 'restore', settles }))
        expect(await outcomesOf(ann)).toEqual([
          'rejected INVALID_VALUE',
          'rejected INVALID_VALUE',
          'rejected UNKNOWN_FIELD',
        ])
        expect(openAbout(ann)).toHaveLength(1)
      })

      describe('[CF5] questions that outlive the strategy that asked them', () => {
        const collection = 'allHistory'
        const openNow = (device: WireDevice) => conflictsAbout(device, collection, record)
        const metNow = (device: WireDevice) => decisionsAbout(device, collection, record)

        /** A dispute about a note that is not asked about any more. */
        async function createOutlived() {
          const world = await createWorld()
          const { ann, ben } = await createDispute(world, collection)
          const { allHistory, ...others } = mergingSchema.collections
          if (allHistory?.fields.note === undefined) throw new Error('The schema has no such field.')
          const { note: asked, ...fields } = allHistory.fields
          const mended = { ...allHistory, fields: { ...fields, note: { ...asked, merge: null } } }
          await world.restart({ schema: { ...mergingSchema, collections: { ...others, allHistory: mended } } })
          return { ann, ben }
        }

        test('can still be settled', async () => {
          const { ann } = await createOutlived()
          const settles = [{ conflict: openNow(ann)[0]?.id ?? '', revision: 1 }]
          ann.write(note(5_000, 'of both', { collection, settles }))
          expect(await outcomesOf(ann)).toEqual(['applied'])
          expect(openNow(ann)).toEqual([])
        })

        test('follow what others write', async () => {
          const { ann } = await createOutlived()
          ann.write(note(5_000, 'of Ann, again', { collection }))
          expect(await outcomesOf(ann)).toEqual(['applied'])
          expect(openNow(ann)).toEqual([expect.objectContaining({ local: 'of Ben', remote: 'of Ann, again' })])
        })

        test('[I-19] are closed by the next edit of their author, which goes to the record', async () => {
          const { ann, ben } = await createOutlived()
          ben.write(update(4_000, { stage: 'of Ben' }, { collection }))
          expect(await outcomesOf(ben)).toEqual(['applied'])
          expect(openNow(ben)).toHaveLength(1)
          // As a client writes it: its author sees the own side.
          const later = ben.write(note(5_000, 'of Ben, later', { collection }))
          const sent = later.map((operation) => ({ ...operation, was: { note: 'of Ben' } }))
          expect(await outcomesOf(ben, sent)).toEqual(['merged'])
          await ann.sync()
          expect([openNow(ann), openNow(ben)]).toEqual([[], []])
          expect(rowOf(ann, collection)?.values.fields).toMatchObject({ note: 'of Ben, later' })
          expect(metNow(ann)).toEqual([
            expect.objectContaining({ strategy: 'lww', local: 'of Ben, later', remote: 'of Ann' }),
            expect.objectContaining({ strategy: 'manual', local: 'of Ben', result: 'of Ben, later' }),
          ])
        })

        test('[I-20] go with their record', async () => {
          const { ann, ben } = await createOutlived()
          ann.write(update(5_000, {}, { collection, kind: 'delete' }))
          await ann.sync()
          await ben.sync()
          expect([openNow(ann), openNow(ben)]).toEqual([[], []])
          expect(metNow(ben)).toEqual([expect.objectContaining({ local: 'of Ben', strategy: 'deleteWins' })])
        })
      })

      test('a record has room for so many questions; what would ask one more is refused and waits with its author', async () => {
        const world = await createWorld()
        const devices = Array.from({ length: openConflictsMax + 2 }, (_, index) => world.device(`u${index}@${team}`))
        const [first, ...others] = devices
        const [last, late] = [others.at(-2), others.at(-1)]
        if (first === undefined || last === undefined || late === undefined) throw new Error('There are devices.')
        first.write(update(0, { team }, { kind: 'create' }))
        await first.sync()
        for (const device of others) await device.sync()
        for (const [index, device] of devices.entries()) device.write(note(1_000 + index, `of ${index}`))
        expect(await outcomesOf(first)).toEqual(['applied'])
        for (const device of others.slice(0, -1)) expect(await outcomesOf(device)).toEqual(['conflict ?note'])
        expect(await outcomesOf(late)).toEqual(['rejected TOO_MANY_CONFLICTS'])
        expect(openAbout(late)).toHaveLength(openConflictsMax)
        // What asks nothing new goes on, and a settlement makes room.
        last.write(note(5_000, 'again'))
        expect(await outcomesOf(last)).toEqual(['conflict ?note'])
        late.write(update(5_000, { stage: 'late' }))
        expect(await outcomesOf(late)).toEqual(['applied'])
        const [open] = openAbout(late)
        late.write(note(6_000, 'of 0', { settles: [{ conflict: open?.id ?? '', revision: 1 }] }))
        expect(await outcomesOf(late)).toEqual(['applied'])
        expect(openAbout(late)).toHaveLength(openConflictsMax - 1)
      })
    })

    describe('[I-8] [J7] transactions', () => {
      test('a conflict stops nothing: the other operations of its transaction take effect', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        const cyd = world.device(`cyd@${team}`)
        cyd.write(note(3_000, 'of Cyd'), update(3_001, { stage: 'of Cyd' }), {
          ...update(3_002, { team }, { kind: 'create' }),
          record: 'another',
        })
        expect(await outcomesOf(cyd)).toEqual(['conflict ?note', 'merged', 'applied'])
        await ann.sync()
        await ben.sync()
        expect(openAbout(ann)).toHaveLength(2)
        expect(ann.held(fields).get('another')).toBeDefined()
      })

      test('with one refusal nothing of it is left: no conflict, no decision, no version, nothing in the feed', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const before = [rowOf(ann), openAbout(ann), metAbout(ann)]
        const cyd = world.device(`cyd@${team}`)
        // The writer has seen nothing, so that every one of them meets a clash.
        cyd.write(note(3_000, 'of Cyd'), update(3_001, { title: 'of Cyd' }), update(3_002, { stage: 7 }))
        expect(await outcomesOf(cyd)).toEqual(['blocked', 'blocked', 'rejected INVALID_VALUE'])
        await ann.sync()
        expect([rowOf(ann), openAbout(ann), metAbout(ann)]).toEqual(before)
        const tables = await Promise.all(
          [conflictsCollection, decisionsCollection].map((name) =>
            world.database.read(`select id from "_sidecar_${name}"`),
          ),
        )
        expect(tables.map((rows) => rows.length)).toEqual([1, 0])
      })

      test('[I-5] an operation that was kept as a conflict has taken effect: a copy in its place is refused', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        const cyd = world.device(`cyd@${team}`)
        const [sent] = cyd.write(note(3_000, 'of Cyd'))
        expect(await outcomesOf(cyd)).toEqual(['conflict ?note'])
        expect(await outcomesOf(cyd, sent === undefined ? [] : [sent])).toEqual(['conflict ?note'])
        cyd.write(note(4_000, 'of Cyd', { replaces: sent === undefined ? [] : [sent.id] }))
        expect(await outcomesOf(cyd)).toEqual(['rejected ALREADY_APPLIED'])
        await ann.sync()
        await ben.sync()
        expect(openAbout(ann)).toHaveLength(2)
      })
    })

    describe('[SC1] [SC2] a record that changes hands', () => {
      /** A record with an open conflict and a decision, and the devices of another team. */
      async function createLuggage(collection: string) {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world, collection)
        ann.write(update(6_000, { title: 'of Ann' }, { collection }))
        ben.write(update(5_000, { title: 'of Ben' }, { collection }))
        await ann.sync()
        expect(await outcomesOf(ben)).toEqual(['merged -title'])
        const [boss, zoe] = [world.device('boss'), world.device('zoe@blue')]
        for (const device of [boss, zoe, ann]) await device.sync()
        const give = async (to: string, at: number) => {
          boss.write(update(at, { team: to }, { collection }))
          expect(await outcomesOf(boss)).toEqual(['applied'])
          for (const device of [ann, ben, zoe]) await device.sync()
        }
        const luggage = (device: WireDevice) => ({
          conflicts: conflictsAbout(device, collection, record).map(({ local }) => local),
          decisions: decisionsAbout(device, collection, record).map(({ local }) => local),
        })
        expect(luggage(ann)).toEqual({ conflicts: ['of Ben'], decisions: ['of Ben'] })
        expect(luggage(zoe)).toEqual(nothing)
        return { world, ann, ben, zoe, boss, give, luggage }
      }
      const nothing = { conflicts: [], decisions: [] }

      test.each([
        { history: 'scope', collection: fields, decisions: [] },
        { history: 'all', collection: 'allHistory', decisions: ['of Ben'] },
      ])(
        'takes its questions along, and its decisions where its history is $history; nothing stays behind',
        async ({ collection, decisions }) => {
          const { world, ann, ben, zoe, boss, give, luggage } = await createLuggage(collection)
          await give('blue', 8_000)
          expect([luggage(ann), luggage(ben)]).toEqual([nothing, nothing])
          expect(luggage(zoe)).toEqual({ conflicts: ['of Ben'], decisions })
          // In one page with the record, and the same for those who come first now.
          const late = world.device('late@blue')
          await late.sync()
          expect(luggage(late)).toEqual(luggage(zoe))
          expect(luggage(boss)).toEqual({ conflicts: ['of Ben'], decisions: ['of Ben'] })
          const formerly = world.device(`late@${team}`)
          await formerly.sync()
          expect(luggage(formerly)).toEqual(nothing)

          await give(team, 9_000)
          expect(luggage(zoe)).toEqual(nothing)
          expect(luggage(ann)).toEqual({ conflicts: ['of Ben'], decisions })
        },
      )

      test('a question that is closed elsewhere is closed for its author’s team too', async () => {
        const { ann, ben, zoe, boss, give, luggage } = await createLuggage(fields)
        await give('blue', 8_000)
        const [open] = openAbout(zoe)
        zoe.write(note(9_000, 'of both', { settles: [{ conflict: open?.id ?? '', revision: 1 }] }))
        expect(await outcomesOf(zoe)).toEqual(['applied'])
        await boss.sync()
        expect(luggage(boss).conflicts).toEqual([])
        await give(team, 10_000)
        expect([luggage(ann), luggage(ben)]).toEqual([nothing, nothing])
      })

      test.each([
        { collection: 'lww', field: 'title', isShown: false },
        { collection: 'allHistory', field: 'title', isShown: true },
      ])(
        'is told to its new team the same, whether it moves in the batch of a decision or later: $collection',
        async ({ collection, field, isShown }) => {
          const world = await createWorld()
          const [ann, boss] = [world.device(`ann@${team}`), world.device('boss')]
          const told = new Map<string, readonly (readonly [string, number])[]>()
          for (const how of ['one transaction each', 'one batch each']) {
            const id = `record ${how}`
            const at = (write: Write): Write => ({ ...write, record: id })
            ann.write(at(update(0, { team }, { kind: 'create', collection })))
            await ann.sync()
            await boss.sync()
            ann.write(at(update(1_000, { [field]: 'for this team' }, { collection })))
            await ann.sync()
            const parts = [
              boss.write(at(update(2_000, { [field]: 'of the boss' }, { collection }))),
              boss.write(at(update(3_000, { team: 'blue' }, { collection }))),
              boss.write(at(update(4_000, { team: 'green' }, { collection }))),
              boss.write(at(update(5_000, { team: 'blue' }, { collection }))),
            ]
            if (how === 'one batch each') for (const part of parts) await boss.sync(part)
            else await boss.sync(parts.flat())
            const teams = [world.device('zoe@blue'), world.device('gil@green'), ann, boss]
            for (const device of teams) await device.sync()
            told.set(
              how,
              teams.map((device) => [device.user, decisionsAbout(device, collection, id).length]),
            )
          }
          const expected = [
            ['zoe@blue', isShown ? 1 : 0],
            ['gil@green', 0],
            [`ann@${team}`, 0],
            ['boss', 1],
          ]
          expect([...told.values()]).toEqual([expected, expected])
        },
      )

      test('of a collection without questions takes its decisions away as well', async () => {
        const world = await createWorld()
        const [ann, ben] = [world.device(`ann@${team}`), world.device(`ben@${team}`)]
        const more = { collection: 'lww' }
        ann.write(update(0, { team }, { kind: 'create', ...more }))
        await ann.sync()
        await ben.sync()
        ann.write(update(2_000, { title: 'of Ann' }, more))
        ben.write(update(1_000, { title: 'of Ben' }, more))
        await ann.sync()
        await ben.sync()
        await ann.sync()
        expect(decisionsAbout(ann, 'lww', record)).toHaveLength(1)
        const boss = world.device('boss')
        await boss.sync()
        boss.write(update(3_000, { team: 'blue' }, more))
        await boss.sync()
        await ann.sync()
        expect(decisionsAbout(ann, 'lww', record)).toEqual([])
        expect(decisionsAbout(boss, 'lww', record)).toHaveLength(1)
      })
    })

    describe('rights', () => {
      test('[J8] nobody keeps values, as a question or in a decision, in a record that the rule does not let them write', async () => {
        const isAllowed = { note: true }
        const world = await createWorld({
          write: ({ user, after }) =>
            !user.startsWith('ben') || isAllowed.note || !JSON.stringify(after ?? {}).includes('of Ben'),
        })
        const [ann, ben] = [world.device(`ann@${team}`), world.device(`ben@${team}`)]
        ann.write(update(0, { team }, { kind: 'create' }))
        await ann.sync()
        await ben.sync()
        ann.write(update(5_000, { note: 'of Ann', title: 'of Ann' }))
        await ann.sync()
        isAllowed.note = false
        ben.write(note(6_000, 'of Ben'))
        ben.write(update(1_000, { title: 'of Ben' }))
        expect(await outcomesOf(ben)).toEqual(['rejected FORBIDDEN', 'rejected FORBIDDEN'])
        expect([openAbout(ben), metAbout(ben)]).toEqual([[], []])
        isAllowed.note = true
        ben.write(note(7_000, 'of Ben', {}))
        expect(await outcomesOf(ben)).toEqual(['applied'])
      })

      test('[J4] a settlement from outside of the record’s scopes meets no record', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const zoe = world.device('zoe@blue')
        const settles = [{ conflict: openAbout(ann)[0]?.id ?? '', revision: 1 }]
        zoe.write(note(5_000, 'of Zoe', { settles }))
        expect(await outcomesOf(zoe)).toEqual(['rejected NOT_FOUND'])
        await ann.sync()
        expect(openAbout(ann)).toHaveLength(1)
      })

      test('a settlement of another record’s question closes nothing', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const settles = [{ conflict: openAbout(ann)[0]?.id ?? '', revision: 1 }]
        ann.write({ ...update(5_000, { team }, { kind: 'create' }), record: 'another' })
        ann.write({ ...update(5_001, { title: 'x' }, { settles }), record: 'another' })
        expect(await outcomesOf(ann)).toEqual(['applied', 'applied'])
        expect(openAbout(ann)).toHaveLength(1)
      })

      test('nobody writes the collections of the engine, an app of another version neither', async () => {
        const world = await createWorld()
        const { ann } = await createDispute(world)
        const conflict = openAbout(ann)[0]?.id ?? ''
        for (const schemaVersion of [1, 2]) {
          ann.write({
            ...update(5_000, {}, { kind: 'delete' }),
            collection: conflictsCollection,
            record: conflict,
            schemaVersion,
          })
          expect(await outcomesOf(ann)).toEqual(['rejected UNKNOWN_COLLECTION'])
        }
        expect(openAbout(ann)).toHaveLength(1)
      })

      test('nobody writes over another’s question or decision by choosing the id of its operation', async () => {
        const world = await createWorld()
        const { ann, ben } = await createDispute(world)
        ann.write(update(6_000, { title: 'of Ann' }))
        const [dropped] = ben.write(update(5_000, { title: 'of Ben' }))
        await ann.sync()
        await ben.sync()
        await ann.sync()
        const about = () => [openAbout(ann), metAbout(ann)]
        const before = about()
        const asked = parseOperationId(String(openAbout(ann)[0]?.id).split('.')[0])
        const [cyd, zoe] = [world.device(`cyd@${team}`), world.device('zoe@blue')]
        zoe.write({ ...update(0, { team: 'blue' }, { kind: 'create' }), record: 'another' })
        await zoe.sync()
        const [note1, title] = cyd.write(note(3_000, 'of Cyd'), update(3_001, { title: 'of Cyd' }))
        const yan = world.device('yan@blue')
        const [note2] = yan.write({ ...note(4_000, 'of Yan'), record: 'another' })
        const alone = (operation: Operation | undefined, id: Operation['id'] | undefined): readonly Operation[] =>
          operation === undefined || id === undefined
            ? []
            : [{ ...operation, id, tx: { ...operation.tx, index: 0, count: 1 } }]
        // On the same record; with the id of a decision; on a record of another team.
        expect(await outcomesOf(cyd, alone(note1, asked))).toEqual(['rejected KEY_REUSED'])
        expect(await outcomesOf(cyd, alone(title, dropped?.id))).toEqual(['none'])
        zoe.write({ ...note(5_000, 'of Zoe'), record: 'another' })
        await zoe.sync()
        expect(await outcomesOf(yan, alone(note2, asked))).toEqual(['none'])
        await ann.sync()
        expect(about()).toEqual(before)
      })

      test('[C8] [J6] a merge function that breaks holds what it could not merge; mended, it takes it', async () => {
        const world = await createWorld()
        const [ann, ben] = [world.device(`ann@${team}`), world.device(`ben@${team}`)]
        ann.write(update(0, { team }, { kind: 'create' }))
        await ann.sync()
        await ben.sync()
        ann.write(update(1_000, { broken: 'of Ann' }))
        await ann.sync()
        const [clashing] = ben.write(update(2_000, { broken: 'of Ben' }))
        const [other] = ben.write({ ...update(3_000, { team }, { kind: 'create' }), record: 'another' })
        expect(await outcomesOf(ben)).toEqual(['none', 'applied'])
        const { fields: known, ...others } = mergingSchema.collections
        if (known?.fields.broken === undefined) throw new Error('The schema has no such field.')
        const mended = {
          ...known,
          fields: { ...known.fields, broken: { ...known.fields.broken, merge: 'clientWins' as const } },
        }
        await world.restart({ schema: { ...mergingSchema, collections: { ...others, fields: mended } } })
        const both = [clashing, other].flatMap((operation) => operation ?? [])
        expect(await outcomesOf(ben, both)).toEqual(['merged', 'applied'])
        expect(rowOf(ben)?.values.fields).toMatchObject({ broken: 'of Ben' })
      })
    })

    describe('what it costs', () => {
      /** Counts the calls of transactions of the store. */
      function counted() {
        const calls: string[] = []
        const around =
          (factory: StoreFactory): StoreFactory =>
          (schema) => {
            const made = factory(schema)
            return { ...made, transact: (work) => made.transact((tx) => work(noting(tx, calls))) }
          }
        return { calls, around }
      }

      test('a batch of conflicts and decisions takes as many statements for 2 records as for 200', async () => {
        const { calls, around } = counted()
        const world = await createWorld({ around })
        const costs: (readonly string[])[] = []
        for (const count of [2, 200]) {
          const [ann, ben, boss] = [world.device(`ann@${team}`), world.device(`ben@${team}`), world.device('boss')]
          const records = Array.from({ length: count }, (_, index) => `${count}-${index}`)
          const each = async (device: WireDevice, write: Write) => {
            for (const record of records) device.write({ ...write, record })
            calls.length = 0
            return new Set(await outcomesOf(device))
          }
          await each(ann, update(0, { team }, { kind: 'create' }))
          await ben.sync()
          await each(ann, update(2_000, { note: 'of Ann', title: 'of Ann' }))
          expect(await each(ben, update(1_000, { note: 'of Ben', title: 'of Ben' }))).toEqual(
            new Set(['conflict ?note']),
          )
          const asking = [...calls]
          await boss.sync()
          expect(await each(boss, update(3_000, { team: 'blue' }))).toEqual(new Set(['applied']))
          costs.push([...asking, '—', ...calls])
          expect(boss.held(conflictsCollection).size).toBe(count === 2 ? 2 : 202)
        }
        expect(costs[1]).toEqual(costs[0])
      })

      test('where nothing can be asked nothing is looked up', async () => {
        const { calls, around } = counted()
        const world = await createWorld({ around })
        const ann = world.device(`ann@${team}`)
        const more = { collection: 'lww' }
        ann.write(update(0, { team }, { kind: 'create', ...more }))
        await ann.sync()
        calls.length = 0
        ann.write(update(1_000, { title: 'x' }, more))
        await ann.sync()
        expect(calls).toEqual(['claim', 'load lww', 'write lww', 'feed', 'settle'])
      })
    })

    test('[I-16] a question is in the same page as its record, and what is about a record is found by it', async () => {
      const world = await createWorld()
      const { ann } = await createDispute(world)
      const subject = subjectOf(fields, record)
      const found = await world.store().transact((tx) => tx.about(conflictsCollection, [subject, 'fields none']))
      const row = { id: openAbout(ann)[0]?.id, version: 1, bytes: expect.any(Number) }
      expect(found).toEqual(new Map([[subject, [row]]]))
      const page = await world.store().readPage({
        positions: [{ scope: `team:${team}`, place: 0, seq: 0 }],
        leaving: [],
        seen: null,
        rowsMax: 100,
        bytesMax: 1_000_000,
      })
      expect(page.changes.map(({ collection }) => collection).sort()).toEqual([conflictsCollection, fields])
    })
  })
}

function noting(tx: StoreTransaction, calls: string[]): StoreTransaction {
  const noted =
    <A extends readonly unknown[], T>(name: string, call: (...given: A) => Promise<T>) =>
    (...given: A): Promise<T> => {
      calls.push(typeof given[0] === 'string' && name !== 'claim' && name !== 'settle' ? `${name} ${given[0]}` : name)
      return call(...given)
    }
  return {
    place: tx.place,
    claim: noted('claim', tx.claim),
    load: noted('load', tx.load),
    parents: noted('parents', tx.parents),
    weigh: noted('weigh', tx.weigh),
    present: noted('present', tx.present),
    about: noted('about', tx.about),
    locate: noted('locate', tx.locate),
    children: noted('children', tx.children),
    write: noted('write', tx.write),
    feed: noted('feed', tx.feed),
    settle: noted('settle', tx.settle),
    report: noted('report', tx.report),
  }
}
