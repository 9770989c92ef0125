/** Sets, shared texts and counters, from one device through the server to another, on a given store. */
import type { JsonObject, OperationKind, RecordId } from '@holdfast/core'
import { yText } from '@holdfast/yjs'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createKindsWorld,
  exchange,
  forbidden,
  type KindsClient,
  type KindsWorld,
  pageOf,
} from '../support/kinds-world.ts'
import type { StoreKind } from '../support/store-kind.ts'

const invalid = (field: string) => expect.objectContaining({ code: 'INVALID_VALUE', field })

export function describeKinds(store: StoreKind): void {
  const world = () => createKindsWorld(store, onTestFinished)

  /** A page that both devices hold. */
  async function shared(w: KindsWorld, fields: Parameters<KindsClient['pages']['create']>[0] = {}) {
    const [ada, ben] = [await w.open('ada'), await w.open('ben')]
    const id = await ada.pages.create(fields)
    await exchange(ada, ben)
    return { ada, ben, id }
  }

  describe(`sets on ${store.name}`, { timeout: 60_000 }, () => {
    test('[C7] a text that one adds while another removes it stays, whoever arrives first', async () => {
      const w = await world()
      for (const isAdderFirst of [true, false]) {
        const { ada, ben, id } = await shared(w, { tags: ['red', 'green', 'green'] })
        expect((await pageOf(ben, id)).tags).toEqual(['green', 'red'])
        // What is there is added again only by who took it out before.
        await ada.pages.remove(id, { tags: ['red'] })
        await ada.pages.add(id, { tags: ['red', 'blue'] })
        await ben.pages.remove(id, { tags: ['red', 'green'] })
        await exchange(...(isAdderFirst ? [ada, ben, ada] : [ben, ada, ben]))
        for (const db of [ada, ben]) expect((await pageOf(db, id)).tags).toEqual(['blue', 'red'])
        await ada.close()
        await ben.close()
      }
    })

    test('[C7] random additions and removals of three devices end alike everywhere', async () => {
      const w = await world()
      const devices = [await w.open('one'), await w.open('two'), await w.open('three')]
      const texts = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', '"', 'é'), { minLength: 1, maxLength: 3 })
      const act = fc.record({ device: fc.nat(2), kind: fc.constantFrom('add', 'remove', 'exchange'), texts })
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
          const id = await first(devices).pages.create({ tags: ['a', 'b'] })
          await exchange(...devices)
          for (const { device, kind, texts: tags } of acts) {
            const db = devices[device]
            if (db === undefined) continue
            if (kind === 'exchange') await exchange(db)
            else if (kind === 'add') await db.pages.add(id, { tags })
            else await db.pages.remove(id, { tags })
          }
          await exchange(...devices, ...devices)
          const [one, ...others] = await Promise.all(devices.map((db) => pageOf(db, id)))
          expect(others.map(({ tags, $sync }) => ({ tags, $sync }))).toEqual(
            others.map(() => ({ tags: one?.tags, $sync: 'synced' })),
          )
          expect(one?.tags).toEqual([...new Set(one?.tags)].sort())
        }),
        { numRuns: 10 },
      )
    })

    test('[C7] what changes nothing is not written, and a write is undone by its opposite', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { tags: ['red'] })
      await ada.pages.add(id, { tags: ['red'] })
      await ada.pages.remove(id, { tags: ['blue'], readers: ['ada'] })
      expect(await ada.sync.waiting()).toEqual([])
      const added = ada.pages.add(id, { tags: ['red', 'blue'] })
      await added
      expect(await pageOf(ada, id)).toMatchObject({ tags: ['blue', 'red'], $sync: 'pending', $pending: ['tags'] })
      await exchange(ada, ben)
      await added.undo()
      const removed = ben.pages.remove(id, { tags: ['red'] })
      await removed
      await removed.undo()
      await exchange(ada, ben, ada)
      for (const db of [ada, ben]) expect((await pageOf(db, id)).tags).toEqual(['red'])
    })

    test('[C7] [UN3] an undo of an addition leaves what somebody else added too, whoever arrives first', async () => {
      const w = await world()
      for (const isUndoneBefore of [true, false]) {
        const { ada, ben, id } = await shared(w, { tags: ['red'] })
        const added = ada.pages.add(id, { tags: ['urgent', 'own'] })
        await added
        await ben.pages.add(id, { tags: ['urgent'] })
        await exchange(...(isUndoneBefore ? [ada] : [ada, ben, ada]))
        await added.undo()
        await exchange(ada, ben, ada)
        for (const db of [ada, ben]) expect((await pageOf(db, id)).tags).toEqual(['red', 'urgent'])
        await ada.close()
        await ben.close()
      }
    })

    test('[C7] a set is changed by its own operations only, in texts that keep the rules', async () => {
      const w = await world()
      const { ada, id } = await shared(w, { tags: ['red'] })
      await expect(ada.pages.add(id, { tags: [''] })).rejects.toEqual(invalid('tags'))
      await expect(ada.pages.add(id, { tags: ['x'.repeat(201)] })).rejects.toEqual(invalid('tags'))
      const untyped: { update(id: RecordId, patch: object): PromiseLike<void>; add: typeof untyped.update } = ada.pages
      await expect(untyped.update(id, { tags: ['blue'] })).rejects.toEqual(invalid('tags'))
      await expect(untyped.add(id, { title: ['blue'] })).rejects.toEqual(invalid('title'))
      expect((await pageOf(ada, id)).tags).toEqual(['red'])
    })

    test('[C7] a seeded set merges like one that a device made', async () => {
      const w = await world()
      await w.seed('seed', { body: '', tags: ['green', 'red'] })
      const [ada, ben] = [await w.open('ada'), await w.open('ben')]
      await ada.pages.remove('seed', { tags: ['red'] })
      await ben.pages.add('seed', { tags: ['blue'] })
      await exchange(ben, ada, ben)
      for (const db of [ada, ben]) expect((await pageOf(db, 'seed')).tags).toEqual(['blue', 'green'])
    })
  })

  describe(`shared texts on ${store.name}`, { timeout: 60_000 }, () => {
    test('[C7] edits of two people to one text are both kept, in either order', async () => {
      const w = await world()
      for (const isAdaFirst of [true, false]) {
        const { ada, ben, id } = await shared(w, { body: 'Meet Mona at nine.' })
        await ada.pages.edit(id, { body: 'Meet Mona Lisa at nine.' })
        await ada.pages.edit(id, { body: 'Meet Mona Lisa at nine sharp.' })
        await ben.pages.edit(id, { body: 'Please: meet Mona at nine. Bring the keys.' })
        expect((await pageOf(ada, id)).body).toBe('Meet Mona Lisa at nine sharp.')
        await exchange(...(isAdaFirst ? [ada, ben, ada] : [ben, ada, ben]))
        for (const db of [ada, ben]) {
          expect(await pageOf(db, id)).toMatchObject({
            body: 'Please: meet Mona Lisa at nine sharp. Bring the keys.',
            $sync: 'synced',
          })
        }
        await ada.close()
        await ben.close()
      }
    })

    test('[C7] random edits of three devices, in every order of arrival, read the same everywhere, and no insertion is lost', async () => {
      const w = await world()
      const devices = [await w.open('one'), await w.open('two'), await w.open('three')]
      const edit = fc.record({ at: fc.nat(12), removed: fc.nat(3) })
      await fc.assert(
        fc.asyncProperty(fc.tuple(edit, edit, edit, edit), async (edits) => {
          for (const order of orders) {
            const id = await first(devices).pages.create({ body: 'one two three four five six' })
            await exchange(...devices)
            const inserted: string[] = []
            // The first device edits twice: the second builds on the first.
            for (const [index, { at, removed }] of edits.entries()) {
              const db = devices[index % 3]
              if (db === undefined) continue
              const mark = `<${index}>`
              inserted.push(mark)
              // Removes only what was there at first: who deletes what another inserted means to.
              const words = (await pageOf(db, id)).body.split(' ')
              const kept = words.filter((word, place) => word.includes('<') || place < at || place >= at + removed)
              kept.splice(at, 0, mark)
              await db.pages.edit(id, { body: kept.join(' ') })
            }
            const arriving = order.flatMap((index) => devices[index] ?? [])
            await exchange(...arriving, ...devices)
            const bodies = await Promise.all(devices.map(async (db) => (await pageOf(db, id)).body))
            expect(new Set(bodies).size).toBe(1)
            for (const mark of inserted) expect(bodies[0]?.split(mark)).toHaveLength(2)
            const [row] = await w.database.read(`select body from pages where id = '${id}'`)
            expect(row?.body).toBe(bodies[0])
          }
        }),
        { numRuns: 4 },
      )
    })

    test('[C7] a text is edited before its create has arrived, and after a restart of the device', async () => {
      const w = await world()
      let ada = await w.open('ada')
      const ben = await w.open('ben')
      const id = await ada.write((tx) => {
        const made = tx.pages.create({ body: 'draft' })
        tx.pages.edit(made, { body: 'draft one' })
        tx.pages.edit(made, { body: 'draft one, mended', summary: 'short' })
        return made
      })
      await ada.close()
      ada = await w.open('ada')
      await exchange(ada, ben)
      await ben.pages.edit(id, { body: 'my draft one, mended' })
      await ada.pages.edit(id, { body: 'draft one, mended twice' })
      await exchange(ben, ada, ben)
      for (const db of [ada, ben]) {
        expect(await pageOf(db, id)).toMatchObject({ body: 'my draft one, mended twice', summary: 'short' })
      }
    })

    test('[C7] a seeded text is edited by two devices that never saw its document', async () => {
      const w = await world()
      await w.seed('seed', { body: 'from elsewhere', tags: [] })
      const [ada, ben] = [await w.open('ada'), await w.open('ben')]
      await ada.pages.edit('seed', { body: 'a text from elsewhere' })
      await ben.pages.edit('seed', { body: 'from elsewhere, edited' })
      await exchange(ada, ben, ada)
      for (const db of [ada, ben]) expect((await pageOf(db, 'seed')).body).toBe('a text from elsewhere, edited')
    })

    test('[C7] an edit that is refused takes nothing with it: what its author writes next counts, and so does the retry', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { body: 'base' })
      await ada.write((tx) => {
        tx.pages.update(id, { title: forbidden })
        tx.pages.edit(id, { body: 'base refused' })
      })
      await exchange(ada)
      expect(await pageOf(ada, id)).toMatchObject({ body: 'base', $sync: 'refused' })
      await ada.pages.edit(id, { body: 'base taken' })
      await exchange(ada)
      const [group] = await ada.inbox.list()
      const update = group?.items.find(({ kind }) => kind === 'update')
      if (update === undefined) throw new Error('The refused update is not in the inbox.')
      await ada.inbox.fix(update.id, { title: 'allowed' })
      await exchange(ada, ben)
      for (const db of [ada, ben]) {
        const { body, title, $sync } = await pageOf(db, id)
        expect({ words: body.split(' ').sort(), title, $sync }).toEqual({
          words: ['base', 'refused', 'taken'],
          title: 'allowed',
          $sync: 'synced',
        })
      }
    })

    test('[C7] an edit that builds on a refused one is refused too, and the device goes on', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { body: 'base' })
      await ada.write((tx) => {
        tx.pages.edit(id, { body: 'base first' })
        tx.pages.update(id, { title: forbidden })
      })
      const second = ada.pages.edit(id, { body: 'base first second' })
      await second
      await exchange(ada)
      expect(await second.settled).toMatchObject([{ kind: 'rejected', code: 'INVALID_VALUE', field: 'body' }])
      await ada.pages.edit(id, { body: 'base third' })
      await exchange(ada, ben)
      for (const db of [ada, ben]) expect((await pageOf(db, id)).body).toBe('base third')
      // The person finds the words that were written, and has them counted after all.
      const items = (await ada.inbox.list()).flatMap((group) => group.items)
      const lost = items.find(({ code }) => code === 'INVALID_VALUE')
      expect(lost).toMatchObject({ kind: 'edit', fields: { body: 'base first second' }, was: { body: 'base first' } })
      if (lost === undefined) return
      await ada.inbox.fix(lost.id, { body: 'base third second' })
      await exchange(ada, ben)
      for (const db of [ada, ben]) expect((await pageOf(db, id)).body).toBe('base third second')
    })

    test('[C7] an undo takes back its own edit and leaves what others wrote since', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { body: 'the quick brown fox' })
      const slow = ada.pages.edit(id, { body: 'the slow fox' })
      await slow
      await exchange(ada, ben)
      await ben.pages.edit(id, { body: 'Look, the slow fox jumps' })
      await exchange(ben, ada)
      await slow.undo()
      await exchange(ada, ben)
      for (const db of [ada, ben]) expect((await pageOf(db, id)).body).toBe('Look, the quick brown fox jumps')
      const twice = ada.write((tx) => {
        tx.pages.edit(id, { body: 'Look, the quick brown fox jumps high' })
        tx.pages.edit(id, { body: 'Listen, the quick brown fox jumps high' })
      })
      await twice
      await twice.undo()
      await exchange(ada, ben)
      for (const db of [ada, ben]) expect((await pageOf(db, id)).body).toBe('Look, the quick brown fox jumps')
    })

    test('[C7] [I-20] a text that was deleted and restored, all without a network, is edited on', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { body: 'one' })
      await ben.pages.edit(id, { body: 'one two' })
      await exchange(ben, ada)
      await ada.pages.delete(id)
      await ada.pages.restore(id)
      await ada.pages.edit(id, { body: 'one two three' })
      await exchange(ada, ben)
      await ben.pages.edit(id, { body: 'zero one two three' })
      await exchange(ben, ada)
      for (const db of [ada, ben]) expect((await pageOf(db, id)).body).toBe('zero one two three')
    })

    test('[C7] search and queries see the text, and apps never see its document', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { body: 'nothing yet', tags: ['urgent'] })
      await ada.pages.edit(id, { body: 'the Ambassador called' })
      await exchange(ada, ben)
      for (const db of [ada, ben]) {
        expect((await db.search('pages', 'ambass')).map((page) => page.id)).toEqual([id])
        expect((await db.search('pages', 'urg')).map(({ tags }) => tags)).toEqual([['urgent']])
        const page = await pageOf(db, id)
        expect(Object.keys(page).filter((name) => name.includes('$'))).toEqual(['$sync', '$pending'])
      }
      const [row] = await w.database.read(`select body from pages where id = '${id}'`)
      expect(row).toEqual({ body: 'the Ambassador called' })
    })

    test('[C7] [I-7] payloads that are no edits are refused in words, and change nothing', async () => {
      const w = await world()
      const { ada, id } = await shared(w, { body: 'base', tags: ['red'] })
      const [before] = await w.database.read('select * from _sidecar_pages')
      const base = yText.documentOf('base')
      const nul = yText.change(base, 'base\u0000', 99)
      const long = yText.change(base, `base${'x'.repeat(400_000)}`, 98)
      const missing = yText.change(yText.merge(base, yText.change(base, 'base 1', 97)).document, 'base 12', 96)
      const hostile: readonly (readonly [kind: OperationKind, fields: JsonObject])[] = [
        ['edit', { body: '' }],
        ['edit', { body: 'not a change' }],
        ['edit', { body: ':%%%' }],
        ['edit', { body: ':AQEF' }],
        ['edit', { body: 7 }],
        ['edit', { body: null }],
        ['edit', { body: ['x'] }],
        ['edit', { body: { at: 1 } }],
        ['edit', { body: nul }],
        ['edit', { body: missing }],
        ['edit', { body: long.slice(0, -3) }],
        ['edit', { title: ':AAA=' }],
        ['edit', { tags: ':AAA=' }],
        ['update', { body: 'text' }],
        ['update', { tags: ['text'] }],
        ['add', { tags: 'red' }],
        ['add', { tags: [1] }],
        ['add', { body: ['red'] }],
        ['remove', { tags: null }],
        ['increment', { steps: -1 }],
        ['increment', { tags: 1 }],
      ]
      const hacked = w.wireDevice()
      for (const [kind, fields] of hostile) {
        const [name] = Object.keys(fields)
        const [sent] = hacked.write({ collection: 'pages', record: id, kind, fields, at: Date.now() })
        expect(await hacked.sync(), JSON.stringify([kind, fields]).slice(0, 100)).toEqual([
          { kind: 'rejected', id: sent?.id, code: 'INVALID_VALUE', field: name, problem: expect.any(String) },
        ])
      }
      expect(await w.database.read('select * from _sidecar_pages')).toEqual([before])
      await exchange(ada)
      expect(await pageOf(ada, id)).toMatchObject({ body: 'base', tags: ['red'] })
    })

    test('[C7] a text ends at a million characters: on the device with an error, and where two edits together pass it, by a refusal', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { body: 'x'.repeat(600_000) })
      await expect(ada.pages.edit(id, { body: 'x'.repeat(1_000_001) })).rejects.toEqual(invalid('body'))
      await ada.pages.edit(id, { body: `${'x'.repeat(600_000)}${'a'.repeat(300_000)}` })
      const late = ben.pages.edit(id, { body: `${'b'.repeat(300_000)}${'x'.repeat(600_000)}` })
      await late
      await exchange(ada, ben)
      expect(await late.settled).toMatchObject([{ kind: 'rejected', code: 'INVALID_VALUE', field: 'body' }])
      expect((await pageOf(ben, id)).body).toHaveLength(900_000)
    })
  })

  describe(`kinds that came later, or were written by another program, on ${store.name}`, { timeout: 60_000 }, () => {
    test('[C7] a device whose app gets sets and shared texts has them, for rows with waiting writes too', async () => {
      const w = await world()
      const before = await w.openBefore('ada')
      const [quiet, waiting] = [
        await before.pages.create({ title: 'quiet' }),
        await before.pages.create({ title: 'waits' }),
      ]
      await exchange(before)
      const ben = await w.open('ben')
      for (const id of [quiet, waiting]) {
        await ben.pages.edit(id, { body: 'of Ben' })
        await ben.pages.add(id, { tags: ['ben'] })
      }
      await exchange(ben, before)
      await before.pages.update(waiting, { title: 'waited' })
      await before.close()
      const ada = await w.open('ada')
      expect(await pageOf(ada, waiting)).toMatchObject({ title: 'waited', body: 'of Ben', tags: ['ben'] })
      for (const id of [quiet, waiting]) {
        await ada.pages.edit(id, { body: 'of Ben and Ada' })
        await ada.pages.remove(id, { tags: ['ben'] })
      }
      await exchange(ada, ben)
      for (const db of [ada, ben]) {
        for (const id of [quiet, waiting])
          expect(await pageOf(db, id)).toMatchObject({ body: 'of Ben and Ada', tags: [] })
      }
    })

    test('[C7] a set that is no list is shown as it is, and is one after the next addition', async () => {
      const w = await world()
      await w.seed('odd', { body: 'text', tags: ['red'] })
      // On Postgres past the triggers, which refuse it.
      const asServer = store.name === 'Postgres' ? "set holdfast.origin = 'server'; " : ''
      await w.database.read(`${asServer}update pages set tags = '{"a":1}' where id = 'odd'`)
      const ada = await w.open('ada')
      expect((await pageOf(ada, 'odd')).tags).toEqual({ a: 1 })
      await ada.pages.add('odd', { tags: ['blue'] })
      await exchange(ada)
      expect((await pageOf(ada, 'odd')).tags).toEqual(['blue'])
    })
  })

  describe(`counters that only grow on ${store.name}`, () => {
    test('[C7] take no negative increment', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w)
      await expect(ada.pages.increment(id, { steps: -1 })).rejects.toEqual(invalid('steps'))
      await expect(ada.pages.increment(id, { steps: -1 })).rejects.toThrow('only grows')
      await ada.pages.increment(id, { steps: 2, visits: -2 })
      await ben.pages.increment(id, { steps: 3, visits: 1 })
      await exchange(ada, ben, ada)
      for (const db of [ada, ben]) expect(await pageOf(db, id)).toMatchObject({ steps: 5, visits: -1 })
    })

    test('[UN4] an undo leaves what they were given, and takes back the rest of the write', async () => {
      const w = await world()
      const { ada, ben, id } = await shared(w, { title: 'before' })
      const walked = ada.write((tx) => {
        tx.pages.update(id, { title: 'walked' })
        tx.pages.increment(id, { steps: 3, visits: 1 })
      })
      await walked
      await walked.undo()
      const only = ada.pages.increment(id, { steps: 1 })
      await only
      await only.undo()
      await exchange(ada, ben)
      for (const db of [ada, ben])
        expect(await pageOf(db, id)).toMatchObject({ title: 'before', steps: 4, visits: 0, $sync: 'synced' })
    })
  })
}

const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const

function first(devices: readonly KindsClient[]): KindsClient {
  const [device] = devices
  if (device === undefined) throw new Error('There is no device.')
  return device
}
