/** Deletion against edit, questions, settlements and restores: a table of stories, each of which one was once told wrongly. */
import { describe, expect, test } from 'vitest'
import type { Json } from '../json.ts'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import { causal, type DeleteStrategy, type MergeOption, wholeRecord } from '../schema/merge-strategy.ts'
import type { Disputed, Taken } from './apply-operation.ts'
import { apply, device, nowhere, take, takeAll, type Written } from './arbiter.test.kit.ts'

const leadsOf = (merge: MergeOption, deletes: DeleteStrategy = 'deleteWins') =>
  collection({ fields: { a: t.text(), b: t.text(), visits: t.counter(), tags: t.set() }, merge, deletes })

const start = (merge: MergeOption, deletes?: DeleteStrategy) =>
  take(leadsOf(merge, deletes), nowhere, {
    kind: 'create',
    device: 9,
    at: 1,
    fields: { a: 'a0', b: 'b0', visits: 0, tags: [] },
  })

const write = (by: number, n: number, a: Json, was: Json, version = 1): Written => ({
  kind: 'update',
  device: by,
  n,
  version,
  fields: { a },
  was: { a: was },
  at: 100 + n,
})

const valuesOf = ({ record }: Disputed) => record?.values.fields
const sidesOf = ({ conflicts }: Disputed) =>
  conflicts.map(({ field, base, local, remote, localBy }) => ({ field, base, local, remote, by: localBy.device }))

describe('a question', () => {
  const of = leadsOf('manual')
  const asked = takeAll(of, start('manual'), [write(1, 1, 'mine', 'a0'), write(2, 2, 'yours', 'a0')])
  const settles = asked.conflicts.map(({ id, revision }) => ({ conflict: id, revision }))

  test('[C5] keeps both values and their base, says who wrote them and when, and moves the record', () => {
    expect(sidesOf(asked)).toEqual([{ field: 'a', base: 'a0', local: 'yours', remote: 'mine', by: device(2) }])
    expect(asked.conflicts[0]).toMatchObject({
      revision: 1,
      localBy: { user: 'user-2', at: 102, correctedAt: 102 },
      remoteBy: { user: 'user-1', device: device(1), at: 101 },
    })
    expect(asked.record).toMatchObject({ version: 3, values: { fields: { a: 'mine' } } })
  })

  test('a question writes nothing: neither who wrote a field last nor when the record was changed', () => {
    const before = takeAll(of, start('manual'), [write(1, 1, 'mine', 'a0')])
    expect(asked.record?.stamps).toEqual(before.record?.stamps)
    expect(asked.record?.values).toEqual(before.record?.values)
  })

  test('[CF1] the device’s next edit changes its side; there is still one question', () => {
    const next = take(of, asked, write(2, 3, 'yours again', 'yours'))
    expect(sidesOf(next)).toEqual([{ field: 'a', base: 'a0', local: 'yours again', remote: 'mine', by: device(2) }])
    expect(next).toMatchObject({ kind: 'changed', conflicts: [{ revision: 2 }], decisions: [] })
  })

  test('[CF1] another device has a question of its own', () => {
    const next = take(of, asked, write(3, 3, 'third', 'a0'))
    expect(sidesOf(next).map(({ by, local }) => [by, local])).toEqual([
      [device(2), 'yours'],
      [device(3), 'third'],
    ])
  })

  test('[CF2] the server’s side follows the record, and who wrote it', () => {
    const next = take(of, asked, write(1, 3, 'mine again', 'mine', 3))
    expect(sidesOf(next)).toMatchObject([{ local: 'yours', remote: 'mine again' }])
    expect(next.conflicts[0]?.remoteBy).toMatchObject({ device: device(1), at: 103 })
  })

  test('[CF2] when both sides are equal nothing is left to ask', () => {
    expect(take(of, asked, write(1, 3, 'yours', 'mine', 3))).toMatchObject({ conflicts: [], decisions: [] })
    expect(take(of, asked, write(2, 3, 'mine', 'yours'))).toMatchObject({ kind: 'changed', conflicts: [] })
  })

  test.each<[string, Written, Json, string]>([
    ['its author’s value', { ...write(2, 3, 'yours', 'mine', 3), settles }, 'yours', 'local'],
    ['a third value', { ...write(2, 3, 'both', 'mine', 3), settles }, 'both', 'merged'],
    ['the server’s value', { kind: 'update', device: 2, n: 3, version: 3, settles }, 'mine', 'remote'],
    ['another person’s choice', { ...write(3, 3, 'yours', 'mine', 3), settles }, 'yours', 'local'],
  ])('[CF3] [C5] is settled by %s, with a decision that says by whom', (_, settlement, result, winner) => {
    const next = take(of, asked, settlement)
    expect(next).toMatchObject({ kind: 'changed', conflicts: [], record: { version: 4 } })
    expect(valuesOf(next)?.a).toBe(result)
    expect(next.decisions).toMatchObject([
      { field: 'a', strategy: 'manual', winner, base: 'a0', local: 'yours', remote: 'mine', result },
    ])
    expect(next.decisions[0]?.settledBy?.device).toBe(device(settlement.device ?? 0))
  })

  test('[CF3] [C5] a settlement that was overtaken asks again, and its decision tells what stands', () => {
    const moved = take(of, asked, write(1, 3, 'mine again', 'mine', 3))
    const next = take(of, moved, { ...write(2, 4, 'both', 'mine', 3), settles })
    expect(sidesOf(next)).toEqual([{ field: 'a', base: 'mine', local: 'both', remote: 'mine again', by: device(2) }])
    expect(next.decisions).toMatchObject([{ local: 'yours', remote: 'mine again', result: 'mine again' }])
    expect(next.conflicts[0]?.id).not.toBe(asked.conflicts[0]?.id)
  })

  test('[CF3] a settlement by somebody who did not see its author’s last edit leaves the question open', () => {
    const amended = take(of, asked, write(2, 3, 'yours again', 'yours'))
    const next = take(of, amended, { ...write(3, 4, 'theirs', 'mine', 3), settles })
    expect(valuesOf(next)?.a).toBe('theirs')
    expect(sidesOf(next)).toMatchObject([{ local: 'yours again', remote: 'theirs', by: device(2) }])
    expect(next.decisions).toEqual([])
  })

  test('[CF4] who settles another’s question settles the own one about the same field, and both values are told', () => {
    const both = take(of, asked, write(3, 3, 'third', 'a0'))
    const next = take(of, both, { ...write(3, 4, 'chosen', 'mine', 4), settles })
    expect(next).toMatchObject({ conflicts: [], record: { values: { fields: { a: 'chosen' } } } })
    expect(next.decisions).toMatchObject([
      { local: 'yours', remote: 'mine', result: 'chosen' },
      { local: 'third', remote: 'mine', result: 'chosen' },
    ])
  })

  test('[CF4] who leaves what is there has not spoken about the own question', () => {
    const both = take(of, asked, write(3, 3, 'third', 'a0'))
    const next = take(of, both, { kind: 'update', device: 3, n: 4, version: 4, settles })
    expect(sidesOf(next)).toMatchObject([{ local: 'third', remote: 'mine', by: device(3) }])
  })

  test('a question that is settled twice is settled once', () => {
    const settlement = { ...write(2, 3, 'both', 'mine', 3), settles }
    const once = take(of, asked, settlement)
    expect(take(of, once, { kind: 'update', device: 3, n: 4, version: 3, settles })).toMatchObject({
      kind: 'unchanged',
      decisions: [],
    })
  })

  test('[I-19] with the record goes what is open about it, and its author’s value is told', () => {
    const next = take(of, asked, { kind: 'delete', device: 1, n: 3, version: 3, was: { a: 'mine' } })
    expect(next).toMatchObject({ conflicts: [], record: { state: 'deleted' } })
    expect(next.decisions).toMatchObject([{ field: 'a', strategy: 'deleteWins', local: 'yours', result: null }])
  })
})

describe('deletion against edit', () => {
  const edit = write(1, 1, 'edited', 'a0')
  const deletion: Written = {
    kind: 'delete',
    device: 2,
    n: 2,
    version: 1,
    at: 102,
    was: { a: 'a0', b: 'b0', visits: 0, tags: [] },
  }
  const story = (deletes: DeleteStrategy, order: readonly Written[]) => {
    const [first, second] = order
    if (first === undefined || second === undefined) throw new Error('A story has two writes.')
    return apply(leadsOf('fields', deletes), take(leadsOf('fields', deletes), start('fields', deletes), first), second)
  }

  test.each<{ name: string; deletes: DeleteStrategy; order: readonly Written[]; expected: object }>([
    {
      name: 'deleteWins, the edit came first: the record is deleted and the edit is told',
      deletes: 'deleteWins',
      order: [edit, deletion],
      expected: {
        record: { state: 'deleted' },
        decisions: [
          { field: '', strategy: 'deleteWins', winner: 'local', remote: { a: 'edited' }, local: null, result: null },
        ],
      },
    },
    {
      name: 'deleteWins, the deletion came first: the edit is refused into its writer’s inbox',
      deletes: 'deleteWins',
      order: [deletion, edit],
      expected: { kind: 'refused', code: 'RECORD_DELETED' },
    },
    {
      name: 'editWins, the edit came first: the record stays and the deletion is told',
      deletes: 'editWins',
      order: [edit, deletion],
      expected: {
        record: { state: 'live', values: { fields: { a: 'edited' } } },
        decisions: [{ field: '', strategy: 'editWins', winner: 'remote', local: null }],
      },
    },
    {
      name: 'editWins, the deletion came first: the record is back with the edit, and the deletion is told',
      deletes: 'editWins',
      order: [deletion, edit],
      expected: {
        record: { state: 'live', values: { fields: { a: 'edited', b: 'b0' } } },
        decisions: [
          { field: '', strategy: 'editWins', winner: 'local', remote: null, remoteBy: { device: device(2) } },
        ],
      },
    },
    {
      name: 'ask, the edit came first: the record stays, and the deletion is a question',
      deletes: 'ask',
      order: [edit, deletion],
      expected: {
        record: { state: 'live', version: 3 },
        conflicts: [{ field: '', local: null, remote: { a: 'edited' }, localBy: { device: device(2) } }],
      },
    },
    {
      name: 'ask, the deletion came first: the record stays deleted, and the edit is a question',
      deletes: 'ask',
      order: [deletion, edit],
      expected: {
        record: { state: 'deleted', version: 3 },
        conflicts: [{ field: '', local: { a: 'edited', b: 'b0' }, remote: null, localBy: { device: device(1) } }],
      },
    },
  ])('[C9] [I-20] $name', ({ deletes, order, expected }) => {
    expect(story(deletes, order)).toMatchObject(expected)
  })

  test.each<DeleteStrategy>(['deleteWins', 'editWins', 'ask'])(
    '[C9] a deletion by somebody who saw the edit is a deletion: %s',
    (deletes) => {
      const of = leadsOf('fields', deletes)
      const edited = take(of, start('fields', deletes), edit)
      const next = take(of, edited, { ...deletion, version: 2, was: { a: 'edited', b: 'b0', visits: 0, tags: [] } })
      expect(next).toMatchObject({ record: { state: 'deleted' }, conflicts: [], decisions: [] })
    },
  )

  test('[I-19] a deletion whose writer showed an edit of its own instead of the current value had not seen that', () => {
    // Device 2 had device 1's value, and showed its own, which then lost.
    const of = leadsOf('fields')
    const lost = takeAll(of, start('fields'), [write(1, 9, 'later', 'a0'), { ...write(2, 2, 'own', 'a0'), at: 5 }])
    const next = take(of, lost, { ...deletion, n: 3, version: 2, was: { a: 'own', b: 'b0', visits: 0, tags: [] } })
    expect(next.decisions).toMatchObject([{ strategy: 'deleteWins', remote: { a: 'later' } }])
  })

  describe('asked', () => {
    const of = leadsOf('fields', 'ask')
    const late = takeAll(of, start('fields', 'ask'), [deletion, edit])
    const settles = late.conflicts.map(({ id, revision }) => ({ conflict: id, revision }))
    const open = takeAll(of, start('fields', 'ask'), [edit, deletion])

    test('[C9] settled for the record: it is back with the values that were chosen', () => {
      const next = take(of, late, {
        kind: 'restore',
        device: 3,
        n: 4,
        version: 3,
        fields: { a: 'chosen', b: 'b0' },
        settles,
      })
      expect(next).toMatchObject({
        record: { state: 'live' },
        conflicts: [],
        decisions: [{ strategy: 'manual', remote: null }],
      })
      expect(valuesOf(next)).toEqual({ a: 'chosen', b: 'b0', visits: 0, tags: [] })
    })

    test('[C9] settled for the deletion: it stays deleted', () => {
      const next = take(of, late, { kind: 'delete', device: 3, n: 4, version: 3, settles })
      expect(next).toMatchObject({
        record: { state: 'deleted' },
        conflicts: [],
        decisions: [{ winner: 'remote', result: null }],
      })
    })

    test('[I-19] a settlement that was to bring back a record that lives again is an edit of it: nothing is written over unseen', () => {
      const back = take(of, late, { kind: 'restore', device: 2, n: 3, version: 3, fields: { a: 'a0', b: 'b0' } })
      const newer = take(of, back, write(2, 4, 'newer', 'a0', back.record.version))
      const next = take(of, newer, {
        kind: 'restore',
        device: 3,
        n: 5,
        version: 3,
        fields: { a: 'chosen', b: 'b0' },
        settles,
        at: 3_000,
      })
      expect(valuesOf(next)?.a).toBe('chosen')
      expect(next.decisions).toMatchObject([{ field: 'a', remote: 'newer', result: 'chosen' }, { strategy: 'manual' }])
    })

    test('[C7] what commutes is not in question: a counter counts, whoever settles what', () => {
      const counted = takeAll(of, late, [
        { kind: 'increment', device: 1, n: 5, version: 1, fields: { visits: 2 } },
        { kind: 'increment', device: 4, n: 6, version: 1, fields: { visits: 3 } },
      ])
      expect(sidesOf(counted).map(({ by }) => by)).toEqual([device(1), device(4)])
      const [first] = counted.conflicts
      const back = take(of, counted, {
        kind: 'restore',
        device: 1,
        n: 7,
        version: 5,
        fields: { a: 'edited', b: 'b0', visits: 2 },
        settles: [{ conflict: first?.id ?? '', revision: first?.revision ?? 0 }],
      })
      expect(valuesOf(back)).toMatchObject({ a: 'edited', visits: 5 })
    })

    test('[CF4] who settles another’s question for the deletion gives up the own edit, which is told', () => {
      const both = take(of, late, write(3, 3, 'third', 'a0'))
      const next = take(of, both, { kind: 'delete', device: 3, n: 4, version: 4, settles })
      expect(next).toMatchObject({ record: { state: 'deleted' }, conflicts: [] })
      expect(next.decisions).toMatchObject([{ local: { a: 'edited' } }, { local: { a: 'third' }, result: null }])
    })

    test('[CF1] whose deletion is in question takes it back with a restore', () => {
      expect(take(of, open, { kind: 'restore', device: 2, n: 3, version: 1 })).toMatchObject({
        conflicts: [],
        decisions: [],
      })
    })

    test('[CF1] whose edit is in question agrees to the deletion with a deletion', () => {
      expect(take(of, late, { kind: 'delete', device: 1, n: 3, version: 1, was: { a: 'edited' } })).toMatchObject({
        record: { state: 'deleted' },
        conflicts: [],
      })
    })

    test('[CF1] a device whose side of the record was in question, and that deletes it, still has one question', () => {
      const whole = leadsOf(wholeRecord('manual'), 'ask')
      const asked = takeAll(whole, start(wholeRecord('manual'), 'ask'), [
        write(1, 1, 'mine', 'a0'),
        { ...write(2, 2, 'yours', 'a0'), was: { a: 'a0', b: 'b0' } },
      ])
      const next = take(whole, asked, { kind: 'delete', device: 2, n: 3, version: 1, was: { a: 'yours', b: 'b0' } })
      expect(sidesOf(next)).toMatchObject([{ field: '', local: null, remote: { a: 'mine', b: 'b0' } }])
    })
  })
})

describe('what a device has not seen', () => {
  test('[I-19] is also what it had, and showed an edit of its own instead', () => {
    // Device 2 writes, then pulls device 1's value under its own pending one, then writes again: it never showed 'mine'.
    const of = leadsOf('serverWins')
    const first = takeAll(of, start('serverWins'), [write(1, 1, 'mine', 'a0'), write(2, 2, 'yours', 'a0')])
    const next = take(of, first, write(2, 3, 'yours again', 'yours', 2))
    expect(valuesOf(next)?.a).toBe('mine')
    expect(next.decisions).toMatchObject([{ local: 'yours again', remote: 'mine', winner: 'remote' }])
  })

  test('[C8] is what a merge function made, on every device: consecutive edits are all merged', () => {
    const of = collection({
      fields: {
        a: t.text({ merge: ({ base, local, remote }) => `${remote}${String(local).slice(String(base).length)}` }),
      },
    })
    const zero = take(of, nowhere, { kind: 'create', device: 9, at: 1, fields: { a: '>' } })
    const all = takeAll(of, zero, [
      write(1, 1, '>x', '>'),
      write(2, 2, '>1', '>'),
      write(2, 3, '>12', '>1'),
      write(1, 4, '>xy', '>x'),
    ])
    expect(valuesOf(all)?.a).toBe('>x12y')
  })

  test('[I-19] is what was in a record that it restores, when it showed something else', () => {
    const of = leadsOf('fields')
    const was = { a: 'a0', b: 'b0', visits: 0, tags: [] }
    const back = takeAll(of, start('fields'), [
      write(1, 1, 'unseen', 'a0'),
      { kind: 'delete', device: 2, n: 2, version: 1, was, at: 200 },
      { kind: 'restore', device: 2, n: 3, version: 1, fields: was, at: 201 },
    ])
    expect(valuesOf(back)?.a).toBe('unseen')
    const next = take(of, back, { ...write(2, 4, 'mine', 'a0'), at: 300 })
    expect(next.decisions).toMatchObject([{ field: 'a', local: 'mine', remote: 'unseen' }])
  })

  test('[C6] a restore is a write of which a concurrent edit did not know', () => {
    const of = leadsOf(causal('ask'))
    const was = { a: 'a0', b: 'b0', visits: 0, tags: [] }
    const back = takeAll(of, start(causal('ask')), [
      { kind: 'delete', device: 2, n: 2, version: 1, was },
      { kind: 'restore', device: 2, n: 3, version: 1, fields: was },
    ])
    expect(sidesOf(take(of, back, write(1, 4, 'late', 'a0')))).toMatchObject([{ field: 'a', local: 'late' }])
  })

  test('[C6] a question writes nothing: the device that is not asked goes on without one', () => {
    const of = leadsOf(causal('ask'))
    const asked = takeAll(of, start(causal('ask')), [write(1, 1, 'mine', 'a0'), write(2, 2, 'yours', 'a0')])
    const next: Taken = take(of, asked, write(1, 3, 'mine again', 'mine', 2))
    expect(valuesOf(next)?.a).toBe('mine again')
    expect(sidesOf(next)).toMatchObject([{ local: 'yours', remote: 'mine again', by: device(2) }])
  })

  test('[C6] a count is concurrent to nothing', () => {
    const of = leadsOf(causal('ask'))
    const counted = take(of, start(causal('ask')), { kind: 'increment', device: 2, n: 1, fields: { visits: 1 } })
    expect(take(of, counted, write(1, 2, 'mine', 'a0'))).toMatchObject({ conflicts: [], decisions: [] })
  })
})

test('[MF3] an equal value that was written earlier does not take the field over from its writer', () => {
  const of = leadsOf('lww')
  const agreed = takeAll(of, start('lww'), [
    { ...write(1, 1, 'same', 'a0'), at: 500 },
    { ...write(2, 2, 'same', 'a0'), at: 300 },
  ])
  // Device 1's clock was set back since: it still writes over its own.
  const next = take(of, agreed, { ...write(1, 3, 'next', 'same'), at: 200 })
  expect(next).toMatchObject({ record: { values: { fields: { a: 'next' } } }, decisions: [] })
})

test('[C10] [I-19] a record that is merged as a whole becomes what its writer showed, though an edit before had lost', () => {
  const of = leadsOf(wholeRecord('clientWins'))
  const lost = takeAll(of, start(wholeRecord('clientWins')), [
    write(1, 1, 'mine', 'a0'),
    { kind: 'update', device: 2, n: 2, version: 1, fields: { b: 'b2' }, was: { a: 'a0', b: 'b0' } },
  ])
  expect(valuesOf(lost)).toMatchObject({ a: 'a0', b: 'b2' })
  const shown = { a: 'mine', b: 'b2' }
  const next = take(of, lost, { kind: 'update', device: 2, n: 3, version: 2, fields: { b: 'b3' }, was: shown })
  expect(valuesOf(next)).toMatchObject({ a: 'mine', b: 'b3' })
})

test.each<MergeOption>(['manual', 'serverWins', wholeRecord('manual'), wholeRecord('serverWins')])(
  'a field that was added to the schema since reads as null, which is what its writer saw: no clash',
  (merge) => {
    const { record, conflicts } = take(leadsOf(merge), nowhere, { kind: 'create', device: 9, fields: { a: 'a0' } })
    const edit: Written = { kind: 'update', device: 1, version: 1, fields: { a: 'x' }, was: { a: 'a0', b: null } }
    const next = take(leadsOf(merge), { record, conflicts }, edit)
    expect(next).toMatchObject({ conflicts: [], decisions: [], record: { values: { fields: { a: 'x' } } } })
  },
)

describe('[MF2] [I-19] what is sent again does not write over what its device wrote later', () => {
  const again = (n: number, written: Omit<Written, 'n' | 'device' | 'at'>): Written => ({
    n: 100 + n,
    device: 1,
    at: 100 + n,
    version: 1,
    replaces: [n],
    ...written,
  })
  const deletion = again(1, { kind: 'delete', was: { a: 'a0', b: 'b0' } })
  const edit = again(1, { kind: 'update', fields: { a: 'old' }, was: { a: 'a0' } })
  const later = write(1, 2, 'later', 'a0')

  test.each<[DeleteStrategy, object]>([
    [
      'deleteWins',
      {
        record: { state: 'deleted' },
        decisions: [{ strategy: 'deleteWins', winner: 'local', remote: { a: 'later' } }],
      },
    ],
    [
      'editWins',
      { record: { state: 'live' }, decisions: [{ strategy: 'editWins', winner: 'remote', result: { a: 'later' } }] },
    ],
    ['ask', { record: { state: 'live' }, conflicts: [{ local: null, remote: { a: 'later' } }] }],
  ])('a deletion: %s', (deletes, effect) => {
    const of = leadsOf('fields', deletes)
    expect(take(of, takeAll(of, start('fields', deletes), [later]), deletion)).toMatchObject(effect)
    const unwritten = take(of, start('fields', deletes), deletion)
    expect(unwritten).toMatchObject({ record: { state: 'deleted' }, conflicts: [], decisions: [] })
  })

  test.each<[DeleteStrategy, object]>([
    ['deleteWins', { kind: 'refused', code: 'RECORD_DELETED' }],
    ['editWins', { record: { state: 'live' }, decisions: [{ strategy: 'editWins', remote: null }] }],
    ['ask', { record: { state: 'deleted' }, conflicts: [{ local: { a: 'old' }, remote: null }] }],
  ])('an edit of a record that it deleted later: %s', (deletes, effect) => {
    const of = leadsOf('fields', deletes)
    const gone = takeAll(of, start('fields', deletes), [{ kind: 'delete', n: 2, device: 1, version: 1, at: 102 }])
    expect(apply(of, gone, edit)).toMatchObject(effect)
  })

  test('a restore of a record that it deleted later', () => {
    const of = leadsOf('fields')
    const gone = takeAll(of, start('fields'), [{ kind: 'delete', n: 2, device: 1, version: 1, at: 102 }])
    expect(apply(of, gone, again(1, { kind: 'restore', fields: { a: 'a0' } }))).toMatchObject({ kind: 'refused' })
  })

  test('its side of a question stays, and the older value is told', () => {
    const of = leadsOf('manual')
    const asked = takeAll(of, start('manual'), [write(2, 1, 'yours', 'a0'), later])
    const next = take(of, asked, edit)
    expect(next.conflicts).toEqual(asked.conflicts)
    expect(next.decisions).toMatchObject([
      {
        field: 'a',
        base: 'a0',
        local: 'old',
        remote: 'yours',
        result: 'yours',
        winner: 'remote',
        localBy: { at: 101 },
      },
    ])
    // In the order in which it wrote, it is the device's next edit.
    expect(take(of, asked, { ...edit, at: 103 }).conflicts).toMatchObject([{ local: 'old', revision: 2 }])
  })

  test('its side of a question about the whole record stays, and the older one is told', () => {
    const of = leadsOf(wholeRecord('manual'))
    const whole = { a: 'a0', b: 'b0' }
    const asked = takeAll(of, start(wholeRecord('manual')), [write(2, 1, 'yours', 'a0'), { ...later, was: whole }])
    const next = take(of, asked, { ...edit, was: whole })
    expect(next.conflicts).toEqual(asked.conflicts)
    expect(next.decisions).toMatchObject([{ field: '', local: { a: 'old', b: 'b0' }, result: { a: 'yours', b: 'b0' } }])
  })

  test('an edit that is asked against a deletion is not taken back by an older deletion, nor a deletion by an older restore', () => {
    const of = leadsOf('fields', 'ask')
    const gone = takeAll(of, start('fields', 'ask'), [{ kind: 'delete', n: 1, device: 2, version: 1, at: 101 }, later])
    expect(take(of, gone, deletion).conflicts).toEqual(gone.conflicts)
    const asked = takeAll(of, start('fields', 'ask'), [
      write(2, 1, 'yours', 'a0'),
      { kind: 'delete', n: 2, device: 1, version: 1, at: 102, was: { a: 'a0' } },
    ])
    expect(asked.conflicts).toMatchObject([{ local: null }])
    expect(take(of, asked, again(1, { kind: 'restore', fields: { a: 'a0' } })).conflicts).toEqual(asked.conflicts)
  })
})
