import { collection, type DeviceTables, defineSchema, t, UsageError } from '@holdfast/core'
import { type Compilable, type Kysely, sql } from 'kysely'
import { expect, test } from 'vitest'
import { createQueryCompiler } from './compile-query.ts'
import { decodeRows } from './decode-rows.ts'
import { matches } from './matches.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { name: t.text(), isHot: t.boolean(), extra: t.json() }, search: ['name'] }),
    calls: collection({ fields: { lead: t.ref('leads'), isDone: t.boolean() } }),
    notes: collection({ fields: { text: t.text() } }),
  },
})

type Q = Kysely<DeviceTables<typeof schema>>
const { compile } = createQueryCompiler<DeviceTables<typeof schema>>(schema)

interface Case {
  readonly name: string
  readonly build: (q: Q) => Compilable<unknown>
  readonly tables: readonly string[]
  readonly kinds: object
}

const kindsOfLeads = { isHot: 'boolean', extra: 'json', $pending: 'json', $version: 'hidden' }

test.each<Case>([
  { name: 'all of a table', build: (q) => q.selectFrom('leads').selectAll(), tables: ['leads'], kinds: kindsOfLeads },
  {
    name: 'a column',
    build: (q) => q.selectFrom('leads').select('isHot'),
    tables: ['leads'],
    kinds: { isHot: 'boolean' },
  },
  {
    name: 'columns by other names, of tables by other names',
    build: (q) =>
      q
        .selectFrom('leads as l')
        .innerJoin('calls as c', 'c.lead', 'l.id')
        .select(['c.isDone as over', 'l.extra as more', 'l.name']),
    tables: ['leads', 'calls'],
    kinds: { over: 'boolean', more: 'json' },
  },
  {
    name: 'all of one of two tables',
    build: (q) => q.selectFrom('leads').innerJoin('calls', 'calls.lead', 'leads.id').selectAll('calls'),
    tables: ['leads', 'calls'],
    kinds: { isDone: 'boolean', $pending: 'json', $version: 'hidden' },
  },
  {
    name: 'a table within a condition',
    build: (q) =>
      q
        .selectFrom('leads')
        .select('name')
        .where('id', 'in', (e) => e.selectFrom('calls').select('lead')),
    tables: ['leads', 'calls'],
    kinds: {},
  },
  {
    name: 'a query within the from',
    build: (q) => q.selectFrom((e) => e.selectFrom('leads').select('isHot as warm').as('x')).selectAll(),
    tables: ['leads'],
    kinds: { warm: 'boolean' },
  },
  {
    name: 'a named query',
    build: (q) =>
      q
        .with('hot', (w) => w.selectFrom('leads').select('isHot as warm'))
        .selectFrom('hot')
        .selectAll(),
    tables: ['leads'],
    kinds: { warm: 'boolean' },
  },
  {
    name: 'a number that is counted has no kind',
    build: (q) => q.selectFrom('leads').select((e) => e.fn.countAll().as('isHot')),
    tables: ['leads'],
    kinds: {},
  },
  {
    name: 'names within raw SQL',
    build: (q) => q.selectFrom('leads').select('name').where(sql<boolean>`exists (select 1 from notes)`),
    tables: ['leads', 'notes'],
    kinds: {},
  },
  {
    name: 'raw SQL alone',
    build: (q) => ({ compile: () => sql`select count(*) from "calls"`.compile(q) }),
    tables: ['calls'],
    kinds: {},
  },
  {
    name: 'a search',
    build: (q) => q.selectFrom('leads').select('name').where(matches('leads', 'mona')),
    tables: ['leads'],
    kinds: {},
  },
])('$name', ({ build, tables, kinds }) => {
  const planned = compile(build)
  expect(planned.tables).toEqual(tables)
  expect(Object.fromEntries(planned.kinds)).toEqual(kinds)
})

test('a value that looks like a table is none', () => {
  const planned = compile((q) => q.selectFrom('leads').select('name').where('name', '=', 'calls'))
  expect(planned.tables).toEqual(['leads'])
})

test('booleans go as 0 and 1; what SQLite does not know is refused', () => {
  const ask = (value: unknown) => compile((q) => q.selectFrom('leads').select('id').where(sql`isHot`, '=', value))
  expect(ask(true).parameters).toEqual([1])
  expect(ask(null).parameters).toEqual([null])
  expect(() => ask(new Date(0))).toThrow(UsageError)
  expect(() => ask(1n)).toThrow(UsageError)
})

test('a query only reads', () => {
  expect(() => compile((q) => q.deleteFrom('leads'))).toThrow(/only reads/)
  expect(() => compile((q) => q.updateTable('leads').set({ name: 'x' }))).toThrow(UsageError)
})

test('rows: booleans, JSON, nulls; the engine’s own column is not shown', () => {
  const { kinds } = compile((q) => q.selectFrom('leads').selectAll())
  const columns = ['id', '$version', 'isHot', 'extra', '$pending']
  const rows = '[["a",3,1,"{\\"b\\":[1]}",null],["b",0,null,null,"[\\"name\\"]"],["c",1,0,"null",null]]'
  expect(decodeRows({ columns, rows }, kinds)).toEqual([
    { id: 'a', isHot: true, extra: { b: [1] }, $pending: null },
    { id: 'b', isHot: null, extra: null, $pending: ['name'] },
    { id: 'c', isHot: false, extra: null, $pending: null },
  ])
})
