/** What is sent again under an id that was answered, as it was and as something else, after each kind of answer, on a given store of the server. */
import { conflictsCollection, decisionsCollection, type Operation } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createMergingWorld, type MergingWorld, startMs } from '../support/merging-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { inWords, type WireDevice, type Write } from '../support/wire-device.ts'

const [collection, record, team] = ['fields', 'r', 'red']
const forbidden = 'what nobody may write'
const another = 'what another operation says'

const update = (at: number, fields: Write['fields'] = {}): Write => ({
  collection,
  record,
  kind: 'update',
  fields,
  at: startMs + at,
})

/** Of Ben, after Ann wrote title and note, which he had not seen. */
const originals = [
  { words: 'applied', write: { ...update(9_000, { visits: 1 }), kind: 'increment' } },
  { words: 'merged -title', write: update(1_000, { title: 'of Ben' }) },
  { words: 'conflict ?note', write: update(9_000, { note: 'of Ben' }) },
  { words: 'rejected FORBIDDEN', write: update(9_000, { stage: forbidden }) },
] as const

/** What the same id may come with the next time. */
const payloads: readonly { readonly what: string; readonly change: (operation: Operation) => Operation }[] = [
  { what: 'other values', change: (sent) => ({ ...sent, fields: { stage: another, note: another } }) },
  { what: 'another record', change: (sent) => ({ ...sent, kind: 'create', record: 'new', fields: { team }, was: {} }) },
  { what: 'a larger number', change: (sent) => ({ ...sent, kind: 'increment', fields: { visits: 100 }, was: {} }) },
  { what: 'a deletion', change: (sent) => ({ ...sent, kind: 'delete', fields: {} }) },
  { what: 'another time', change: (sent) => ({ ...sent, time: { ...sent.time, at: sent.time.at + 1 } }) },
]

export function describeResent(store: StoreKind): void {
  describe(`what is sent again on ${store.name}`, { timeout: 60_000 }, () => {
    describe.each(originals)('after $words', ({ words, write }) => {
      test('[I-6] the same bytes again, now, after others have written, and after a restart', async () => {
        const { world, ann, ben, sent } = await answered(store, write, words)
        const first = told(ben, sent)
        expect(first).toBe(await keptOutcome(world, sent))
        expect(await resend(ben, sent)).toBe(first)
        ann.write(update(20_000, { title: 'later', note: 'later', stage: 'later' }))
        await ann.sync()
        expect(await resend(ben, sent)).toBe(first)
        await world.restart()
        expect(await resend(ben, sent)).toBe(first)
        // From a device of the same person that took over the file of the first.
        expect(await resend(world.device(ben.user), sent)).toBe(first)
        expect(await keptOutcome(world, sent)).toBe(first)
      })

      test.each(payloads)('[I-7] the same id with $what: no effect, and it is told', async ({ change }) => {
        const { world, boss, ben, sent } = await answered(store, write, words)
        const first = told(ben, sent)
        const before = await truth(world, boss)
        for (const moment of ['at once', 'after a restart']) {
          if (moment === 'after a restart') await world.restart()
          expect((await ben.sync([change(sent)])).map(inWords)).toEqual(['rejected KEY_REUSED'])
          expect(await truth(world, boss)).toEqual(before)
          expect(await resend(ben, sent)).toBe(first)
          expect(await truth(world, boss)).toEqual(before)
        }
      })
    })

    test('[I-7] [I-8] an id that was used takes the transaction along in which it comes again', async () => {
      const { world, boss, ben, sent } = await answered(store, originals[0].write, originals[0].words)
      const before = await truth(world, boss)
      const unit = ben.write(
        { ...update(10_000, { visits: 100 }), kind: 'increment' },
        { ...update(10_001, { team }), kind: 'create', record: 'new' },
        update(10_002, { title: another }),
      )
      const reusing = unit.map((operation, index) => (index === 1 ? { ...operation, id: sent.id } : operation))
      expect((await ben.sync(reusing)).map(inWords)).toEqual(['blocked', 'rejected KEY_REUSED', 'blocked'])
      expect(await truth(world, boss)).toEqual(before)
    })
  })
}

/** Ben has sent one operation, and it was answered as it says. */
async function answered(store: StoreKind, write: Write, words: string) {
  const world = await createMergingWorld(store, onTestFinished, {
    write: ({ after }) => after?.stage !== forbidden,
  })
  const [ann, ben, boss] = [world.device(`ann@${team}`), world.device(`ben@${team}`), world.device('boss')]
  ann.write({ ...update(0, { team }), kind: 'create' })
  await ann.sync()
  await ben.sync()
  ann.write(update(5_000, { title: 'of Ann', note: 'of Ann' }))
  await ann.sync()
  const [sent] = ben.write(write)
  if (sent === undefined) throw new Error('There is one write.')
  expect((await ben.sync()).map(inWords)).toEqual([words])
  return { world, ann, ben, boss, sent }
}

/** Everything that operations leave: rows, what is open, what was decided, and the answers. */
async function truth({ database }: MergingWorld, boss: WireDevice): Promise<unknown> {
  await boss.sync()
  const held = [collection, conflictsCollection, decisionsCollection].map((name) => [...boss.held(name)])
  return [held, await database.read('select * from _operations order by id')]
}

async function resend(device: WireDevice, operation: Operation): Promise<string> {
  await device.sync([operation])
  return told(device, operation)
}

/** The text of an operation's outcome in the last reply that has one. */
function told({ replies }: WireDevice, { id }: Operation): string {
  const found = replies.flatMap((text) => new RegExp(`\\{[^{}]*"id":"${id}"[^{}]*\\}`).exec(text)?.[0] ?? [])
  const last = found.at(-1)
  if (last === undefined) throw new Error('It was not answered.')
  return last
}

async function keptOutcome({ database }: MergingWorld, { id }: Operation): Promise<string> {
  const [row] = await database.read(`select outcome from _operations where id = '${id}'`)
  return String(row?.outcome)
}
