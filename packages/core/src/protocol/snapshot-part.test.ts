import { expect, test } from 'vitest'
import { EngineError } from '../errors.ts'
import { parseSnapshotOffer } from './snapshot-offer.ts'
import { parseSnapshotPart, snapshotPartText } from './snapshot-part.ts'

const columns = ['id', '$version', 'createdAt', 'updatedAt', 'name']
const gone = [{ record: 'c', version: 7, why: 'deleted' }] as const

test('a part stands column by column, and is read as rows', () => {
  const values = '[["a","b"],[1,2],[5,6],[7,8],["Ann",null]]'
  const text = snapshotPartText('cursor', [{ collection: 'leads', columns, rows: values, gone }])
  expect(parseSnapshotPart(JSON.parse(text))).toEqual({
    cursor: 'cursor',
    changes: [
      {
        collection: 'leads',
        columns,
        rows: [
          ['a', 1, 5, 7, 'Ann'],
          ['b', 2, 6, 8, null],
        ],
        gone,
      },
    ],
  })
})

test('a collection of which records are gone, and none is there', () => {
  const part = JSON.parse(snapshotPartText('cursor', [{ collection: 'leads', columns, rows: '[]', gone }]))
  expect(parseSnapshotPart(part).changes).toEqual([{ collection: 'leads', columns, rows: [], gone }])
})

test.each([
  { name: 'columns of different length', values: [['a'], [1], [5], [7], []] },
  { name: 'fewer columns than names', values: [['a'], [1], [5], [7]] },
  { name: 'a column that is no array', values: [['a'], [1], [5], [7], 'Ann'] },
  { name: 'an id that is none', values: [[1], [1], [5], [7], ['Ann']] },
])('$name: MALFORMED', ({ values }) => {
  const parse = () => parseSnapshotPart({ cursor: 'c', changes: [{ collection: 'leads', columns, values }] })
  expect(parse).toThrow(EngineError)
  expect(parse).toThrow(/MALFORMED/)
})

test.each([{ id: '../sync', parts: 1, rows: 1 }, { id: 'a'.repeat(32), parts: 0, rows: 1 }, 'x'])(
  'an offer that is none is MALFORMED',
  (offer) => {
    expect(() => parseSnapshotOffer(offer)).toThrow(/MALFORMED/)
  },
)
