/** Settlements that come late, or speak of questions that are not theirs to close: stories, each of which one was once told wrongly. */
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../json.ts'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import { causal, type DeleteStrategy, type MergeOption, wholeRecord } from '../schema/merge-strategy.ts'
import type { Disputed } from './apply-operation.ts'
import { apply, device, nowhere, take, takeAll, type Written } from './arbiter.test.kit.ts'

const jobsOf = (merge: MergeOption, deletes: DeleteStrategy = 'ask') =>
  collection({ fields: { a: t.text(), b: t.text(), visits: t.counter() }, merge, deletes })

const zero = { a: 'a0', b: 'b0', visits: 0 }

const start = (merge: MergeOption, deletes?: DeleteStrategy) =>
  take(jobsOf(merge, deletes), nowhere, { kind: 'create', device: 9, at: 1, fields: zero })

const write = (by: number, n: number, fields: JsonObject, was: JsonObject, version: number): Written => ({
  kind: 'update',
  device: by,
  n,
  version,
  fields,
  was,
  at: 100 + n,
})

const valuesOf = ({ record }: Disputed) => record?.values.fields
const sidesOf = ({ conflicts }: Disputed) =>
  conflicts.map(({ field, local, remote, localBy }) => ({ field, local, remote, by: localBy.device }))

/** What the settlement of a question names. */
function naming({ conflicts }: Disputed, by: number) {
  const own = conflicts.filter(({ localBy }) => localBy.device === device(by))
  return own.map(({ id, revision }) => ({ conflict: id, revision }))
}

describe('[CF4] an own question beside the one that is settled late', () => {
  const of = jobsOf('manual')
  // Device 9 created it; 1 stands, 2 and 3 are asked. 2 settles its own, and 3 settles that of 2 without knowing.
  const asked = takeAll(of, start('manual'), [
    write(1, 1, { a: 'one' }, { a: 'a0' }, 1),
    write(2, 2, { a: 'two' }, { a: 'a0' }, 1),
    write(3, 3, { a: 'own words' }, { a: 'a0' }, 1),
  ])
  const first = take(of, asked, { ...write(2, 4, { a: 'settled by 2' }, { a: 'one' }, 4), settles: naming(asked, 2) })

  test('[I-19] the own side of before is in a decision, and the new answer is asked', () => {
    const late = take(of, first, { ...write(3, 5, { a: 'third' }, { a: 'one' }, 4), settles: naming(asked, 2) })
    expect(valuesOf(late)?.a).toBe('settled by 2')
    expect(sidesOf(late)).toEqual([{ field: 'a', local: 'third', remote: 'settled by 2', by: device(3) }])
    expect(late.decisions).toMatchObject([
      { field: 'a', strategy: 'manual', local: 'own words', remote: 'settled by 2', result: 'settled by 2' },
    ])
    expect(late.conflicts[0]?.id).not.toBe(first.conflicts[0]?.id)
  })

  test('an edit of the own side that settles something else beside it is an edit of the own side', () => {
    const edit = { ...write(3, 5, { a: 'own words, more' }, { a: 'own words' }, 4), settles: naming(asked, 2) }
    const next = take(of, first, edit)
    expect(sidesOf(next)).toEqual([{ field: 'a', local: 'own words, more', remote: 'settled by 2', by: device(3) }])
    expect(next).toMatchObject({ conflicts: [{ id: first.conflicts[0]?.id, revision: 2 }], decisions: [] })
  })

  test('[I-19] who settles late that the record goes gives up the own edit, which is told', () => {
    const gone = takeAll(of, start('manual'), [
      { kind: 'delete', device: 1, n: 1, version: 1, was: zero },
      write(2, 2, { a: 'two' }, { a: 'a0' }, 1),
      write(3, 3, { b: 'own words' }, { b: 'b0' }, 1),
    ])
    const settled = take(of, gone, { kind: 'delete', device: 2, n: 4, version: 4, settles: naming(gone, 2) })
    const late = take(of, settled, { kind: 'delete', device: 3, n: 5, version: 4, settles: naming(gone, 2) })
    expect(late.conflicts).toEqual([])
    expect(late.decisions).toMatchObject([{ local: { b: 'own words' }, remote: null, result: null }])
  })
})

describe('[CF3] of two answers at once none silently replaces the other', () => {
  test.each<{ name: string; merge: MergeOption; field: string; local: Json; remote: Json }>([
    { name: 'manual', merge: 'manual', field: 'a', local: 'third', remote: 'one' },
    { name: "causal('ask')", merge: causal('ask'), field: 'a', local: 'third', remote: 'one' },
    {
      name: 'the record as a whole',
      merge: wholeRecord('manual'),
      field: '',
      local: { a: 'third', b: 'b0' },
      remote: { a: 'one', b: 'b0' },
    },
  ])('$name: the first leaves what is there, the second asks again', ({ merge, field, local, remote }) => {
    const of = jobsOf(merge)
    const was = (a: string) => (field === '' ? { a, b: 'b0' } : { a })
    const asked = takeAll(of, start(merge), [
      write(1, 1, { a: 'one' }, was('a0'), 1),
      write(2, 2, { a: 'two' }, was('a0'), 1),
    ])
    const settles = naming(asked, 2)
    const kept = take(of, asked, { kind: 'update', device: 1, n: 3, version: 3, settles })
    const late = take(of, kept, { ...write(2, 4, { a: 'third' }, was('one'), 3), settles })
    expect(valuesOf(late)?.a).toBe('one')
    expect(sidesOf(late)).toEqual([{ field, local, remote, by: device(2) }])
    // Also who wrote what stands did not know that it was settled.
    const own = take(of, kept, { ...write(1, 4, { a: 'third' }, was('one'), 2), settles })
    expect(sidesOf(own)).toEqual([{ field, local, remote, by: device(1) }])
  })

  test('what the answer writes beside a question that is still open is not asked', () => {
    const of = jobsOf('manual')
    const asked = takeAll(of, start('manual'), [
      write(1, 1, { a: 'one', b: 'one' }, { a: 'a0', b: 'b0' }, 1),
      write(2, 2, { a: 'two', b: 'two' }, { a: 'a0', b: 'b0' }, 1),
    ])
    const [onA, onB] = naming(asked, 2)
    if (onA === undefined || onB === undefined) throw new Error('There are two questions.')
    const kept = take(of, asked, { kind: 'update', device: 1, n: 3, version: 3, settles: [onA] })
    const both = { a: 'third', b: 'third' }
    const late = take(of, kept, { ...write(2, 4, both, { a: 'one', b: 'one' }, 3), settles: [onA, onB] })
    expect(valuesOf(late)).toMatchObject({ a: 'one', b: 'third' })
    expect(sidesOf(late)).toMatchObject([{ field: 'a', local: 'third', remote: 'one' }])
  })

  test('a device knows its own answer: what it says next to the same question stands', () => {
    const of = jobsOf('manual')
    const asked = takeAll(of, start('manual'), [
      write(1, 1, { a: 'one' }, { a: 'a0' }, 1),
      write(2, 2, { a: 'two' }, { a: 'a0' }, 1),
      write(3, 3, { a: 'three' }, { a: 'a0' }, 1),
    ])
    const once = take(of, asked, { ...write(3, 4, { a: 'mine' }, { a: 'one' }, 4), settles: naming(asked, 2) })
    const twice = take(of, once, { ...write(3, 5, { a: 'mine again' }, { a: 'mine' }, 4), settles: naming(asked, 3) })
    expect(twice).toMatchObject({ record: { values: { fields: { a: 'mine again' } } }, conflicts: [], decisions: [] })
  })

  test.each<{ deletes: DeleteStrategy; expected: object }>([
    { deletes: 'ask', expected: { record: { state: 'live' }, conflicts: [{ field: '', local: null }] } },
    {
      deletes: 'editWins',
      expected: { record: { state: 'live' }, decisions: [{ strategy: 'editWins', local: null }] },
    },
    { deletes: 'deleteWins', expected: { record: { state: 'deleted' }, decisions: [{ strategy: 'deleteWins' }] } },
  ])('a deletion for which somebody settles late meets the record that was settled to stay; $deletes', (given) => {
    const asked = takeAll(jobsOf('fields'), start('fields'), [
      write(1, 1, { a: 'edited' }, { a: 'a0' }, 1),
      { kind: 'delete', device: 2, n: 2, version: 1, was: zero },
    ])
    const settles = naming(asked, 2)
    const kept = take(jobsOf('fields'), asked, { kind: 'update', device: 1, n: 3, version: 3, settles })
    const was = { ...zero, a: 'edited' }
    const of = jobsOf('fields', given.deletes)
    expect(take(of, kept, { kind: 'delete', device: 3, n: 4, version: 3, was, settles })).toMatchObject(given.expected)
  })
})

describe('[I-20] [DE1] a restore that settles', () => {
  const deletion: Written = { kind: 'delete', device: 1, n: 1, version: 1, was: zero }
  const restore = (by: number, n: number, version: number, fields: JsonObject): Written => ({
    kind: 'restore',
    device: by,
    n,
    version,
    fields,
    at: 100 + n,
  })

  test.each<DeleteStrategy>(['deleteWins', 'editWins'])(
    'nothing that is open on this record: it is refused; %s',
    (deletes) => {
      const of = jobsOf('fields', deletes)
      const gone = take(of, start('fields', deletes), deletion)
      const settles = [{ conflict: 'made-up', revision: 1 }]
      const made = { ...restore(2, 2, 2, { ...zero, a: 'mine' }), settles }
      expect(apply(of, gone, made)).toMatchObject({ kind: 'refused', code: 'RECORD_DELETED' })
    },
  )

  test('a question that was settled for the deletion meanwhile asks again', () => {
    const of = jobsOf('fields')
    const asked = takeAll(of, start('fields'), [deletion, write(2, 2, { a: 'edited' }, { a: 'a0' }, 1)])
    const settles = naming(asked, 2)
    const stays = take(of, asked, { kind: 'delete', device: 1, n: 3, version: 3, settles })
    const late = take(of, stays, { ...restore(3, 4, 3, { a: 'chosen', b: 'b0' }), settles })
    expect(late.record.state).toBe('deleted')
    expect(sidesOf(late)).toMatchObject([{ field: '', local: { a: 'chosen', b: 'b0' }, remote: null, by: device(3) }])
  })

  test('a settlement that leaves a field brings no deleted record back', () => {
    const of = jobsOf('manual', 'editWins')
    const asked = takeAll(of, start('manual', 'editWins'), [
      write(1, 1, { a: 'one' }, { a: 'a0' }, 1),
      write(2, 2, { a: 'two' }, { a: 'a0' }, 1),
    ])
    const gone = take(of, asked, { kind: 'delete', device: 3, n: 3, version: 3, was: { ...zero, a: 'one' } })
    const late = take(of, gone, { kind: 'update', device: 2, n: 4, version: 3, settles: naming(asked, 2) })
    expect(late).toMatchObject({ kind: 'unchanged', record: { state: 'deleted' } })
  })

  test('[I-19] a record that lives again is asked about in what was edited: what others write beside it stays', () => {
    const of = jobsOf('fields')
    const asked = takeAll(of, start('fields'), [deletion, write(2, 2, { a: 'edited' }, { a: 'a0' }, 1)])
    const back = take(of, asked, restore(1, 3, 3, zero))
    const newer = take(of, back, write(1, 4, { b: 'two hours of work' }, { b: 'b0' }, 4))
    const both = { b: 'two hours of work', visits: 0 }
    expect(sidesOf(newer)).toEqual([
      { field: '', local: { ...both, a: 'edited' }, remote: { ...both, a: 'a0' }, by: device(2) },
    ])
    // Its author writes on in the same question, also back to what there was.
    const on = take(of, newer, write(2, 5, { b: 'b0' }, { b: 'two hours of work' }, newer.record.version))
    expect(sidesOf(on)).toMatchObject([{ local: { a: 'edited', b: 'b0' } }])
  })

  test('[I-19] a settlement that finds the record alive writes only what it changes', () => {
    const of = jobsOf('fields')
    const asked = takeAll(of, start('fields'), [deletion, write(2, 2, { a: 'edited' }, { a: 'a0' }, 1)])
    const newer = takeAll(of, asked, [restore(1, 3, 3, zero), write(1, 4, { b: 'two hours of work' }, { b: 'b0' }, 4)])
    const settled = take(of, newer, { ...restore(3, 9, 3, { a: 'edited', b: 'b0' }), settles: naming(asked, 2) })
    expect(valuesOf(settled)).toMatchObject({ a: 'edited', b: 'two hours of work' })
  })
})
