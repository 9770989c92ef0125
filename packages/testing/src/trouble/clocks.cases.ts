/**
 * Clocks that are wrong, stand still, are set in the middle of work or sleep, and uploads that take minutes: of two edits of one
 * field the one stands that was really made later, on both strategies that ask for the time, and nothing is dated in the future.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ClockDevice, type ClockWorld, createClockWorld } from '../support/clock-world.ts'
import type { SqlRow, StoreKind } from '../support/store-kind.ts'

const minute = 60_000
const hour = 60 * minute
const year = 365 * 24 * hour

const wrongClocks = [
  { name: 'at 2099', wrongMs: Date.UTC(2099, 0, 1) - Date.UTC(2026, 10, 20) },
  { name: 'at 1970', wrongMs: -Date.UTC(2026, 10, 20) },
  { name: 'ten years ahead', wrongMs: 10 * year },
  { name: 'ten years behind', wrongMs: -10 * year },
  { name: 'an hour ahead', wrongMs: hour },
  { name: 'an hour behind', wrongMs: -hour },
]

/** What the times of a measured clock may be off by here: the ways of its exchanges. */
const errorMsMax = 500

export function describeClocks(store: StoreKind): void {
  const world = () => createClockWorld(store, onTestFinished)

  describe(`clocks, against ${store.name}`, { timeout: 60_000 }, () => {
    test.each(wrongClocks)('[I-21] a clock $name wins and loses as a right one does', async ({ wrongMs }) => {
      const w = await world()
      const right = await w.device()
      for (const isMeasured of [true, false]) {
        for (const isFirst of [true, false]) {
          const wrong = await w.device(wrongMs)
          const record = await shared(right, isMeasured ? [wrong] : [])
          if (!isMeasured) {
            // It has pulled in an earlier process, and has measured nothing in this one.
            await wrong.sync()
            await wrong.reopen(minute)
          }
          const [early, late] = isFirst ? [wrong, right] : [right, wrong]
          await edit(early, record, 'early')
          w.pass(minute)
          await edit(late, record, 'late')
          w.pass(minute)
          // In both orders of arrival.
          for (const one of isMeasured ? [wrong, right, wrong] : [right, wrong, right]) await one.sync()
          expect(await read([right, wrong], record)).toEqual(['late', 'late'])
        }
      }
      await expectNothingAhead(w)
    })

    test.each(wrongClocks)(
      '[I-21] a clock $name locks nothing, while it is wrong and after it was set right',
      async ({ wrongMs }) => {
        const w = await world()
        const [right, wrong] = [await w.device(), await w.device(wrongMs)]
        const record = await shared(right, [wrong])
        await edit(wrong, record, 'wrong')
        await wrong.sync()
        await expectNothingAhead(w)
        w.pass(minute)
        // Without having seen it, and later: this stands at once.
        await edit(right, record, 'right')
        await right.sync()
        await wrong.sync()
        expect(await read([right, wrong], record)).toEqual(['right', 'right'])
        wrong.setClock(-wrongMs)
        await edit(wrong, record, 'of the clock that was set right')
        w.pass(minute)
        await edit(right, record, 'later')
        await wrong.sync()
        await right.sync()
        await wrong.sync()
        expect(await read([right, wrong], record)).toEqual(['later', 'later'])
        await expectNothingAhead(w)
      },
    )

    test('[I-21] a slow upload: its edits are as old as they are, and lose to what was made while they were under way', async () => {
      const w = await world()
      const [slow, other] = [await w.device(), await w.device()]
      const record = await shared(other, [slow])
      for (const wrongMs of [0, hour, -hour]) {
        slow.setClock(wrongMs)
        await slow.sync()
        const startMs = w.now()
        await edit(slow, record, `slow ${wrongMs}`)
        await slow.sync({
          upMs: 8 * minute,
          meanwhile: {
            atMs: minute,
            act: async () => {
              await edit(other, record, `meanwhile ${wrongMs}`)
              await other.sync()
            },
          },
        })
        await other.sync()
        await slow.sync()
        expect(await read([slow, other], record)).toEqual([`meanwhile ${wrongMs}`, `meanwhile ${wrongMs}`])
        const [row] = await slow.db.query((q) => q.selectFrom('leads').select('updatedAt').where('id', '=', record))
        expect(Number(row?.updatedAt) - startMs).toBeLessThanOrEqual(minute + errorMsMax)
      }
      await expectNothingAhead(w)
    })

    test.each([{ wrongMs: hour }, { wrongMs: -hour }])(
      '[I-21] a laptop that sleeps with its clock off by $wrongMs ms',
      async ({ wrongMs }) => {
        const w = await world()
        const [right, laptop] = [await w.device(), await w.device(wrongMs)]
        const [first, second, third] = [
          await shared(right, [laptop]),
          await shared(right, [laptop]),
          await shared(right, [laptop]),
        ]
        await edit(right, first, 'before')
        w.pass(minute)
        await edit(laptop, first, 'in the evening')
        await edit(laptop, second, 'in the evening')
        laptop.sleep(4 * hour)
        await edit(right, second, 'at night')
        await edit(right, third, 'at night')
        laptop.sleep(5 * hour)
        await edit(laptop, third, 'in the morning')
        for (const one of [right, laptop, right]) await one.sync()
        expect(await read([right, laptop], first)).toEqual(['in the evening', 'in the evening'])
        expect(await read([right, laptop], second)).toEqual(['at night', 'at night'])
        expect(await read([right, laptop], third)).toEqual(['in the morning', 'in the morning'])
        await expectNothingAhead(w)
      },
    )

    test.each([
      { name: 'an hour ahead', wrongMs: hour },
      { name: 'at 2099', wrongMs: 73 * year },
      { name: 'at 1970', wrongMs: -Date.UTC(2026, 10, 20) },
    ])('[I-21] a clock $name is set between two edits, before the device has met the server', async ({ wrongMs }) => {
      const w = await world()
      const right = await w.device()
      const device = await w.device(wrongMs)
      await device.sync()
      const [first, second] = [await shared(right, [device]), await shared(right, [device])]
      await device.reopen(minute)
      await edit(right, second, 'before both')
      w.pass(minute)
      await edit(device, first, 'by the wrong clock')
      await edit(device, second, 'by the wrong clock')
      w.pass(minute)
      await edit(right, first, 'between')
      device.setClock(-wrongMs)
      w.pass(minute)
      await edit(device, second, 'by the right clock')
      for (const one of [right, device, right]) await one.sync()
      expect(await read([right, device], first)).toEqual(['between', 'between'])
      expect(await read([right, device], second)).toEqual(['by the right clock', 'by the right clock'])
      await expectNothingAhead(w)
    })

    test.each(wrongClocks)(
      '[C2] [I-21] a decision and a settlement under a clock $name have the time that was on it, and the right one',
      async ({ wrongMs }) => {
        const w = await world()
        const [right, wrong] = [await w.device(), await w.device(wrongMs)]
        const record = await right.db.leads.create({ title: 'shared' })
        for (const one of [right, wrong]) await one.sync()
        /** Of each act the time on the clock, and the right one. */
        const times = new Map<string, readonly [atMs: number, rightMs: number]>()
        const act = async (name: string, on: ClockDevice, work: (db: ClockDevice['db']) => PromiseLike<unknown>) => {
          w.pass(minute)
          times.set(name, [w.now() + (on === wrong ? wrongMs : 0), w.now()])
          await work(on.db)
        }
        const meet = async () => {
          for (const one of [right, wrong, right]) await one.sync()
        }
        // The wrong clock is once that of the side that stood already, and twice that of the one that came.
        await act('right title', right, (db) => db.leads.update(record, { title: 'right' }))
        await act('wrong title', wrong, (db) => db.leads.update(record, { title: 'wrong' }))
        await wrong.sync()
        await meet()
        await act('wrong note', wrong, (db) => db.leads.update(record, { note: 'wrong' }))
        await act('right note', right, (db) => db.leads.update(record, { note: 'right' }))
        await meet()
        await act('right memo', right, (db) => db.leads.update(record, { memo: 'right' }))
        await act('wrong memo', wrong, (db) => db.leads.update(record, { memo: 'wrong' }))
        await meet()
        const [question] = await wrong.db.conflicts.list()
        if (question === undefined) throw new Error('Nothing is asked.')
        await act('settlement', wrong, (db) => db.conflicts.settle({ [question.id]: 'both' }))
        await wrong.sync()
        await meet()

        const near = (ms: number) => expect.toSatisfy((found) => Math.abs(Number(found) - ms) <= errorMsMax)
        const by = (name: string) => {
          const [atMs, rightMs] = times.get(name) ?? [Number.NaN, Number.NaN]
          return expect.objectContaining({ user: 'ada', at: atMs, correctedAt: near(rightMs) })
        }
        const expected = [
          { field: 'memo', localBy: by('wrong memo'), remoteBy: by('right memo'), settledBy: by('settlement') },
          { field: 'note', localBy: by('wrong note'), remoteBy: by('right note'), settledBy: null },
          { field: 'title', localBy: by('right title'), remoteBy: by('wrong title'), settledBy: null },
        ].map((decision) => expect.objectContaining(decision))
        expect((await w.database.read('select * from _decisions order by field')).map(inSides)).toEqual(expected)
        for (const { db } of [right, wrong]) {
          const decisions = await db.history.list('leads', record)
          expect([...decisions].sort((a, b) => (a.field < b.field ? -1 : 1))).toEqual(expected)
        }
      },
    )

    test('[I-21] a clock that is set while the app is closed: what was measured before it holds', async () => {
      const w = await world()
      for (const wrongMs of [hour, -hour, 73 * year]) {
        const [right, device] = [await w.device(), await w.device(wrongMs)]
        const record = await shared(right, [device])
        await edit(device, record, 'by the wrong clock')
        w.pass(minute)
        await edit(right, record, 'later')
        await device.reopen(hour, -wrongMs)
        await right.sync()
        await device.sync()
        await right.sync()
        expect(await read([right, device], record)).toEqual(['later', 'later'])
      }
      await expectNothingAhead(w)
    })

    test('[I-21] merged by fields, nothing changes when any clock is moved by ten years', async () => {
      const moved = [
        [0, 0, 0],
        [10 * year, 0, -10 * year],
        [-10 * year, 10 * year, 0],
        [0, -10 * year, 10 * year],
      ]
      const ends: unknown[] = []
      for (const wrongMs of moved) ends.push(await history(await world(), wrongMs))
      expect(ends.slice(1)).toEqual([ends[0], ends[0], ends[0]])
    })
  })
}

/** A record of both collections that these devices have. */
async function shared(from: ClockDevice, others: readonly ClockDevice[]): Promise<string> {
  const record = await from.db.leads.create({ title: 'shared' })
  await from.db.signs.create({ id: record, title: 'shared' })
  for (const one of [from, ...others]) await one.sync()
  return record
}

async function edit({ db }: ClockDevice, record: string, note: string): Promise<void> {
  await db.leads.update(record, { note })
  await db.signs.update(record, { note })
}

/** What each device shows of both collections; one text where they agree. */
async function read(devices: readonly ClockDevice[], record: string): Promise<readonly string[]> {
  return Promise.all(
    devices.map(async ({ db }) => {
      const [lead] = await db.query((q) => q.selectFrom('leads').select('note').where('id', '=', record))
      const [sign] = await db.query((q) => q.selectFrom('signs').select('note').where('id', '=', record))
      return lead?.note === sign?.note ? String(lead?.note) : `${lead?.note}, ${sign?.note}`
    }),
  )
}

/** A row of decisions, past the code that reads it. Postgres answers bigint as text. */
function inSides(row: SqlRow) {
  const author = (side: string) => ({
    user: row[`${side}User`],
    at: Number(row[`${side}At`]),
    correctedAt: Number(row[`${side}CorrectedAt`]),
  })
  const settledBy = row.settledAt === null ? null : author('settled')
  return { field: row.field, localBy: author('local'), remoteBy: author('remote'), settledBy }
}

/** No stamp and no date on the server beyond its time + 60 s. */
async function expectNothingAhead({ database, now }: ClockWorld): Promise<void> {
  for (const name of ['leads', 'signs']) {
    const stamps =
      JSON.stringify(await database.read(`select stamps from _sidecar_${name}`)).match(/\d{15}(?=\.)/g) ?? []
    expect(stamps.length).toBeGreaterThan(0)
    for (const stamp of stamps) expect(Number(stamp)).toBeLessThanOrEqual(now() + minute)
    for (const { at } of await database.read(`select max("updatedAt") as at from ${name}`)) {
      expect(Number(at)).toBeLessThanOrEqual(now() + minute)
    }
  }
}

/** Three devices that edit two records offline, with and without clashes; answers what the server has in the end. */
async function history(w: ClockWorld, wrongMs: readonly number[]): Promise<unknown> {
  const [a, b, c] = [await w.device(wrongMs[0]), await w.device(wrongMs[1]), await w.device(wrongMs[2])]
  await a.db.leads.create({ id: 'one' })
  await a.db.leads.create({ id: 'two' })
  for (const one of [a, b, c]) await one.sync()
  const steps: readonly (readonly [ClockDevice, string, { readonly title?: string; readonly note?: string }])[] = [
    [a, 'one', { title: 'a' }],
    [b, 'one', { note: 'b' }],
    [c, 'one', { title: 'c' }],
    [b, 'two', { title: 'b', note: 'b' }],
    [a, 'two', { title: 'a' }],
    [c, 'two', { note: 'c' }],
    [a, 'two', { title: 'a again' }],
  ]
  for (const [{ db }, record, fields] of steps) {
    await db.leads.update(record, fields)
    w.pass(5 * minute)
  }
  for (const one of [c, a, b, c, a]) await one.sync()
  await b.db.leads.update('one', { title: 'last' })
  await b.sync()
  return w.database.read(
    'select r.id, title, note, version from leads r join _sidecar_leads s on s.id = r.id order by r.id',
  )
}
