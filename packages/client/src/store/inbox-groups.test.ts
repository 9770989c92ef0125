import { type ErrorCode, type JsonObject, type OperationKind, parseTransactionId } from '@holdfast/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { notebook } from '../contract/test-device.ts'
import { type Groupable, groupsOf } from './inbox-groups.ts'

interface Named extends Groupable {
  readonly name: string
}

function refused(
  name: string,
  tx: number,
  [collection, record, kind, fields = {}]: readonly [string, string, OperationKind, JsonObject?],
  code: ErrorCode = 'BLOCKED',
): Named {
  const id = parseTransactionId(`00000000-0000-7000-8000-${String(tx).padStart(12, '0')}`)
  return { name, code, operation: { tx: { id, index: 0, count: 1 }, collection, record, kind, fields } }
}

const shapeOf = (rows: readonly Named[]) =>
  groupsOf(notebook, rows).map(({ root, members }) => [root.name, members.map(({ name }) => name).join(' ')])

const note = (record: string, kind: OperationKind = 'update') => ['notes', record, kind] as const
const tagOf = (record: string, target: string) => ['tags', record, 'create', { name: 'x', note: target }] as const

const cases: readonly (readonly [
  name: string,
  rows: readonly Named[],
  groups: readonly (readonly [string, string])[],
])[] = [
  ['nothing', [], []],
  [
    'two updates of one record stand alone',
    [refused('a', 1, note('n'), 'FORBIDDEN'), refused('b', 2, note('n'), 'INVALID_VALUE')],
    [
      ['a', 'a'],
      ['b', 'b'],
    ],
  ],
  [
    '[IG1] a transaction is one group, whose root is at fault',
    [refused('a', 1, note('n')), refused('b', 1, note('m'), 'INVALID_VALUE'), refused('c', 2, note('n'), 'FORBIDDEN')],
    [
      ['b', 'a b'],
      ['c', 'c'],
    ],
  ],
  [
    '[IG2] a creation takes in what came later on its record, and no earlier edit of another creation',
    [
      refused('early', 1, note('n'), 'NOT_FOUND'),
      refused('made', 2, note('n', 'create'), 'FORBIDDEN'),
      refused('later', 3, note('n')),
    ],
    [
      ['early', 'early'],
      ['made', 'made later'],
    ],
  ],
  [
    '[IG2] a reference to a record whose creation was refused, also one that the server refused by itself',
    [
      refused('made', 1, note('n', 'create'), 'INVALID_VALUE'),
      refused('other', 2, tagOf('s', 'elsewhere'), 'REFERENCE_MISSING'),
      refused('tag', 3, tagOf('t', 'n'), 'REFERENCE_MISSING'),
    ],
    [
      ['made', 'made tag'],
      ['other', 'other'],
    ],
  ],
  [
    '[IG2] a creation that took effect under another id takes in nothing',
    [
      refused('made', 1, note('n', 'create'), 'ALREADY_APPLIED'),
      refused('later', 2, note('n'), 'FORBIDDEN'),
      refused('tag', 3, tagOf('t', 'n'), 'FORBIDDEN'),
    ],
    [
      ['made', 'made'],
      ['later', 'later'],
      ['tag', 'tag'],
    ],
  ],
  [
    '[IG1] [IG2] over transactions, however far',
    [
      refused('made', 1, note('n', 'create'), 'FORBIDDEN'),
      refused('tag', 2, tagOf('t', 'n')),
      refused('with', 2, note('m', 'create')),
      refused('last', 3, note('m')),
    ],
    [['made', 'made tag with last']],
  ],
  [
    '[IG3] where all are blocked, by something that is not here, the first is the root',
    [refused('a', 1, note('n')), refused('b', 1, note('m'))],
    [['a', 'a b']],
  ],
  [
    'a collection that the schema does not have groups by transaction and creation all the same',
    [refused('a', 1, ['gone', 'x', 'create'], 'FORBIDDEN'), refused('b', 2, ['gone', 'x', 'update'])],
    [['a', 'a b']],
  ],
]

test.each(cases)('%s', (_, rows, groups) => {
  expect(shapeOf(rows)).toEqual(groups)
})

const anyRow = fc.record({
  tx: fc.integer({ min: 1, max: 5 }),
  record: fc.constantFrom('a', 'b', 'c'),
  kind: fc.constantFrom<OperationKind>('create', 'update', 'delete'),
  target: fc.option(fc.constantFrom('a', 'b', 'c')),
})

test('[IG1] [IG2] every refused operation lies in exactly one group, in local order, with its transaction and its creation', () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 12 }), (given) => {
      const rows = given.map(({ tx, record, kind, target }, index) =>
        refused(String(index), tx, target === null ? note(record, kind) : tagOf(record, target)),
      )
      const groups = groupsOf(notebook, rows).map(({ members }) => members)
      expect(
        groups
          .flat()
          .map(({ name }) => Number(name))
          .sort((a, b) => a - b),
      ).toEqual(rows.map((_, i) => i))
      const groupOf = (row: Named) => groups.findIndex((members) => members.includes(row))
      for (const members of groups)
        expect(members).toEqual([...members].sort((a, b) => Number(a.name) - Number(b.name)))
      for (const [i, a] of rows.entries()) {
        for (const b of rows.slice(i + 1)) {
          const isSameTransaction = a.operation.tx.id === b.operation.tx.id
          const isSameRecord =
            a.operation.collection === b.operation.collection && a.operation.record === b.operation.record
          const isReferred = a.operation.collection === 'notes' && b.operation.fields.note === a.operation.record
          if (isSameTransaction || (a.operation.kind === 'create' && (isSameRecord || isReferred))) {
            expect(groupOf(a)).toBe(groupOf(b))
          }
        }
      }
    }),
  )
})
