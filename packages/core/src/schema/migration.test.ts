import { expect, test } from 'vitest'
import type { JsonObject } from '../json.ts'
import { type Operation, operationText, parseOperation } from '../protocol/operation.ts'
import { collection } from './collection.ts'
import { t } from './field.ts'
import {
  changed,
  currentNames,
  formerFields,
  isLossless,
  isSameForm,
  lastMoved,
  MigrationFault,
  type Migrations,
  movesBetween,
  questionDown,
  questionsUp,
  renamed,
  renamedMembers,
  rowsDown,
  rowsUp,
  split,
  upFields,
  upOperation,
} from './migration.ts'
import { defineSchema } from './schema.ts'

const price = changed('budget', 'price', {
  was: t.text({ optional: true }),
  up: (budget) => (budget === null ? null : Number(budget) * 100),
  down: (cents: number | null) => (cents === null ? null : String(cents / 100)),
})
const parts = split('name', ['first', 'last'], {
  was: t.text(),
  up: (name): readonly [string, string] => [name.split(' ')[0] ?? '', name.split(' ').slice(1).join(' ')],
  down: ([first, last]) => `${first} ${last}`.trim(),
})
const leads = collection({
  fields: {
    first: t.text(),
    last: t.text(),
    mobile: t.text({ optional: true }),
    price: t.integer({ optional: true }),
    calls: t.counter(),
    owner: t.text(),
  },
  scope: { agent: 'owner' },
})
const migrations: Migrations = {
  2: { leads: [renamed('phone', 'phoneNumber'), renamed('attempts', 'calls')] },
  3: { leads: [price, parts] },
  5: { leads: [renamed('phoneNumber', 'mobile')] },
}
const schema = defineSchema({ version: 5, migrations, collections: { leads } })
const fault = (found: MigrationFault) => {
  throw found
}

const operation = (given: Partial<Operation> & { fields: JsonObject }): Operation => ({
  ...parseOperation({
    id: '01900000-0000-7000-8000-000000000001',
    user: 'ann',
    device: '01900000-0000-7000-8000-00000000000a',
    seq: 1,
    tx: { id: '01900000-0000-7000-8000-00000000000b', index: 0, count: 1 },
    collection: 'leads',
    record: 'r1',
    kind: 'update',
    fields: {},
    was: {},
    base: { generation: null, version: 0 },
    time: { at: 1, epoch: 0, hlc: [1, 0] },
    schemaVersion: 1,
  }),
  ...given,
})

test('[MI1] a name of any version is known by what it is called now', () => {
  expect(currentNames(schema, 'leads', 'phone')).toEqual(['mobile'])
  expect(currentNames(schema, 'leads', 'phoneNumber')).toEqual(['mobile'])
  expect(currentNames(schema, 'leads', 'name')).toEqual(['first', 'last'])
  expect(currentNames(schema, 'leads', 'owner')).toEqual(['owner'])
  expect([...formerFields(schema, 'leads')].map(([name, { rule }]) => [name, rule.kind]).sort()).toEqual([
    ['attempts', 'counter'],
    ['budget', 'text'],
    ['name', 'text'],
    ['phone', 'text'],
    ['phoneNumber', 'text'],
  ])
})

test('[MI2] an operation of each version is read in the form of the schema, and its text stays', () => {
  const fields = { name: 'Mona Adel Hassan', phone: '1', budget: '12' }
  const old = operation({ kind: 'create', fields, schemaVersion: 1 })
  const text = operationText(old)
  expect(upOperation(schema, old)).toEqual({
    ...old,
    schemaVersion: 5,
    fields: { first: 'Mona', last: 'Adel Hassan', mobile: '1', price: 1_200 },
  })
  expect(operationText(old)).toBe(text)
  const second = operation({ fields: { phoneNumber: '2' }, was: { phoneNumber: '1' }, schemaVersion: 2 })
  expect(upOperation(schema, second)).toMatchObject({ fields: { mobile: '2' }, was: { mobile: '1' } })
  const fourth = operation({ fields: { price: 5 }, was: { price: null }, schemaVersion: 4 })
  expect(upOperation(schema, fourth)).toMatchObject({ fields: { price: 5 }, was: { price: null } })
  const current = operation({ fields: { mobile: '3' }, schemaVersion: 5 })
  expect(upOperation(schema, current)).toBe(current)
  // A name of before under a version that does not have it is no field of that version.
  expect(upOperation(schema, operation({ fields: { phone: '9' }, schemaVersion: 2 })).fields).toEqual({ phone: '9' })
})

test('what the field as it was may not hold keeps its name, and is refused and not lost', () => {
  const wrong = operation({ fields: { budget: { euro: 1 }, phone: '2' }, was: { budget: 7 }, schemaVersion: 1 })
  expect(upOperation(schema, wrong)).toMatchObject({
    fields: { budget: { euro: 1 }, mobile: '2' },
    was: { price: null },
  })
})

test('a migration that throws, or answers something else, is told as its fault', () => {
  const broken = (up: (value: string) => number) =>
    defineSchema({
      version: 2,
      migrations: { 2: { notes: [changed('text', 'size', { was: t.text(), up, down: String })] } },
      collections: { notes: collection({ fields: { size: t.integer() } }) },
    })
  const given = operation({ collection: 'notes', fields: { text: 'x' } })
  const throwing = broken(() => {
    throw new Error('no')
  })
  expect(() => upOperation(throwing, given)).toThrow(MigrationFault)
  expect(() =>
    upFields(
      broken(() => 0.5),
      'notes',
      1,
      { text: 'x' },
    ),
  ).toThrow(MigrationFault)
})

test('[MI3] rows go down to each version and come up again, whole', () => {
  const columns = ['id', '$version', 'createdAt', 'updatedAt', 'first', 'last', 'mobile', 'price', 'calls', 'owner']
  const row = ['r1', 3, 1, 2, 'Mona', 'Hassan', '1', 1_200, 7, 'ann']
  const at = (version: number) => movesBetween(schema, 'leads', version, 5)
  const down = (version: number) => {
    const plan = rowsDown(at(version), columns, fault)
    return { columns: plan.columns, rows: [plan.row === null ? row : plan.row(row)] }
  }
  expect(down(1)).toEqual({
    columns: ['id', '$version', 'createdAt', 'updatedAt', 'name', 'phone', 'budget', 'attempts', 'owner'],
    rows: [['r1', 3, 1, 2, 'Mona Hassan', '1', '12', 7, 'ann']],
  })
  expect(down(2).columns).toContain('phoneNumber')
  expect(down(4)).toEqual({ columns: columns.map((name) => (name === 'mobile' ? 'phoneNumber' : name)), rows: [row] })
  for (const version of [1, 2, 3, 4]) {
    const { columns: found, rows } = rowsUp(at(version), down(version))
    const members = Object.fromEntries(found.map((name, index) => [name, rows[0]?.[index]]))
    expect(columns.map((name) => members[name])).toEqual(row)
  }
})

test('[MI3] documents of shared texts go with their field', () => {
  const moves = [renamed('memo', 'notes'), parts]
  const columns = ['id', 'notes', 'first', 'last', 'notes$doc']
  const plan = rowsDown(moves, columns, fault)
  expect(plan.columns).toEqual(['id', 'memo', 'name', 'memo$doc'])
  expect(plan.row?.(['r', 'text', 'A', 'B', 'd'])).toEqual(['r', 'text', 'A B', 'd'])
  expect(rowsUp(moves, { columns: plan.columns, rows: [['r', 'text', 'A B', 'd']] })).toEqual({
    columns: ['id', 'notes', 'first', 'last', 'notes$doc'],
    rows: [['r', 'text', 'A', 'B', 'd']],
  })
})

test('a value that cannot be brought down is shown as null, and told', () => {
  const faults: MigrationFault[] = []
  const throwing = changed('a', 'b', {
    was: t.text(),
    up: (a) => a,
    down: (_: string): string => {
      throw new Error('no')
    },
  })
  const plan = rowsDown([throwing], ['id', 'b'], (found) => faults.push(found))
  expect(plan.row?.(['r', 'x'])).toEqual(['r', null])
  expect(faults).toHaveLength(1)
})

test('[MI3] open questions: a renamed one keeps its values, one about a split field becomes one for each part that differs', () => {
  const moves = movesBetween(schema, 'leads', 1, 5)
  const phone = { field: 'phone', base: '0', local: '1', remote: '2', revision: 1 }
  expect(questionsUp(moves, phone)).toEqual([{ ...phone, field: 'mobile' }])
  expect(questionDown(moves, { ...phone, field: 'mobile' }, fault)).toEqual(phone)
  const name = { field: 'name', base: 'A B', local: 'A C', remote: 'A D' }
  expect(questionsUp(moves, name)).toEqual([{ field: 'last', base: 'B', local: 'C', remote: 'D' }])
  const both = { field: 'name', base: 'A B', local: 'X C', remote: 'Y D', result: null }
  expect(questionsUp(moves, both).map(({ field, local }) => [field, local])).toEqual([
    ['first', 'X'],
    ['last', 'C'],
  ])
  expect(questionDown(moves, { field: 'last', base: 'B', local: 'C', remote: 'D' }, fault)).toBeNull()
  const whole = { field: '', base: { name: 'A B' }, local: { name: 'A C', phone: '1' }, remote: null }
  const lifted = questionsUp(moves, whole)
  expect(lifted).toEqual([
    { field: '', base: { first: 'A', last: 'B' }, local: { first: 'A', last: 'C', mobile: '1' }, remote: null },
  ])
  expect(questionDown(moves, lifted[0] ?? {}, fault)).toEqual(whole)
})

test('members by field: each part of a split has what the whole had', () => {
  const moves = movesBetween(schema, 'leads', 1, 5)
  expect(renamedMembers(moves, { '': 0, name: 1, phone: 2, owner: 3 })).toEqual({
    '': 0,
    first: 1,
    last: 1,
    mobile: 2,
    owner: 3,
  })
})

test('which versions have rows of one form', () => {
  expect([1, 2, 3, 4, 5].map((version) => lastMoved(schema, version))).toEqual([0, 2, 3, 3, 5])
  expect(isSameForm(schema, 3, 4)).toBe(true)
  expect(isSameForm(schema, 5, 4)).toBe(false)
  expect(isLossless(schema, 4, 5)).toBe(true)
  expect(isLossless(schema, 2, 3)).toBe(false)
})

const withMoves = (moves: Migrations, version = 2) =>
  defineSchema({ version, migrations: moves, collections: { leads } })

test.each([
  ['a version beyond the schema', { 6: { leads: [renamed('a', 'first')] } }],
  ['the first version', { 1: { leads: [renamed('a', 'first')] } }],
  ['a collection that is not there', { 2: { people: [renamed('a', 'first')] } }],
  ['a field that is not there', { 2: { leads: [renamed('a', 'b')] } }],
  ['[MI1] a name that is given again', { 2: { leads: [renamed('last', 'first')] } }],
  ['[MI1] a name that was taken away before', { 2: { leads: [renamed('a', 'first'), renamed('a', 'last')] } }],
  [
    '[MI4] a counter that is changed',
    { 2: { leads: [changed('n', 'calls', { was: t.integer(), up: (n) => n, down: (n: number) => n })] } },
  ],
  [
    '[MI5] a field that names a scope',
    { 2: { leads: [changed('who', 'owner', { was: t.text(), up: (n) => n, down: (n: string) => n })] } },
  ],
] as const)('refused: %s', (_, moves) => {
  expect(() => withMoves(moves as Migrations, 2)).toThrow('migration')
})

test('[MI5] a field that names a scope may be renamed', () => {
  expect(withMoves({ 2: { leads: [renamed('agent', 'owner')] } }).version).toBe(2)
})
