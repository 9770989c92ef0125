/**
 * What every SQLite driver must do, as a table of cases without a test runner: the browser's driver lives in a worker, where no
 * runner is, and has to be tried there. A case throws when its fact does not hold.
 */
import { EngineError, type ErrorCode } from '@holdfast/core'
import type { OpenDriver } from '../ports/open-driver.ts'
import type { SqliteDriver, SqliteRow, SqliteValue } from '../ports/sqlite-driver.ts'

export interface SqliteDriverCase {
  /** A fact, led by the law of the port that it tries where there is one. */
  readonly name: string
  /** Whether the case closes the database and opens it again, which one in memory does not survive. */
  readonly needs: 'nothing' | 'file'
  /** @param open opens one and the same database at every call: a new one, used by this case only. */
  readonly run: (open: OpenDriver) => Promise<void>
}

export const sqliteDriverCases: readonly SqliteDriverCase[] = [
  ...valueCases(),
  ...statementCases(),
  ...functionCases(),
  ...transactionCases(),
  ...lifeCases(),
]

function valueCases(): SqliteDriverCase[] {
  const values: readonly (readonly [name: string, value: SqliteValue])[] = [
    ['null', null],
    ['zero', 0],
    ['a negative integer', -1],
    ['an integer past 31 bits', 2 ** 31],
    ['the largest integer', Number.MAX_SAFE_INTEGER],
    ['the smallest integer', Number.MIN_SAFE_INTEGER],
    ['a real', 0.1],
    ['a tiny real', 5e-324],
    ['a real past all integers', 1e300],
    ['empty text', ''],
    ['Arabic text', 'مرحبا بالعالم'],
    ['emoji', '👩🏽‍🚀 🇪🇺 é'],
    ['text with a byte order mark', '\uFEFFtext'],
    ['text with a zero character', 'a\u0000b'],
    ['5 MB of ASCII', 'abcdefghij'.repeat(500_000)],
    ['5 MB of Arabic and emoji', 'سلام👋'.repeat(400_000)],
    ['5 MB of which the end is wide', `${'x'.repeat(4_000_000)}${'漢'.repeat(350_000)}`],
  ]
  return [
    ...values.map(([name, value]) =>
      onDriver(`${name} comes back as it was stored`, (driver) => {
        driver.exec('create table kept (value)')
        driver.run('insert into kept values (?)', [value])
        equal(driver.all('select value from kept where value is ?', [value]), [[value]])
      }),
    ),
    onDriver('a whole number is bound as an integer, another as a real', (driver) => {
      equal(driver.all('select typeof(?), typeof(?), typeof(?)', [7, 2 ** 40, 7.5]), [['integer', 'integer', 'real']])
      equal(driver.all('select json_array(?, ?, ?)', [1, 1.5, 2 ** 53 - 1]), [['[1,1.5,9007199254740991]']])
    }),
    onDriver('many texts, large and small, keep apart in one call', (driver) => {
      const texts = Array.from({ length: 30 }, (_, index) => String(index).repeat(index * 997))
      equal(driver.all(`select ${texts.map(() => '?').join()}`, texts), [texts])
    }),
  ]
}

function statementCases(): SqliteDriverCase[] {
  return [
    onDriver('exec runs several statements', (driver) => {
      driver.exec("create table a (x); create table b (y); insert into a values (1), (2); insert into b values ('z')")
      equal(driver.all('select (select sum(x) from a), (select y from b)'), [[3, 'z']])
    }),
    onDriver('run answers how many rows it changed', (driver) => {
      driver.exec('create table a (x integer primary key, y)')
      equal(driver.run("insert into a select value, 'old' from json_each(?)", ['[1,2,3,4]']), 4)
      equal(driver.run('update a set y = ? where x > ?', ['new', 2]), 2)
      equal(driver.run('update a set y = ? where x > ?', ['new', 100]), 0)
      equal(driver.run('delete from a'), 4)
    }),
    onDriver('columns names the columns without running the query', (driver) => {
      driver.exec('create table a (x, y); create table log (n)')
      equal(driver.columns('select x, y as "why", 1 + 1 as two from a'), ['x', 'why', 'two'])
      equal(driver.columns('insert into log values (1) returning n'), ['n'])
      equal(driver.all('select count(*) from log'), [[0]])
    }),
    onDriver('a kept statement survives changes of the schema', (driver) => {
      driver.exec('create table a (x); create index a_x on a (x); insert into a values (1), (2)')
      const query = 'select * from a where x = ?'
      equal(driver.all(query, [1]), [[1]])
      driver.exec('drop index a_x')
      equal(driver.all(query, [2]), [[2]])
      driver.exec("alter table a add column y default 'new'")
      equal(driver.all(query, [1]), [[1, 'new']])
      equal(driver.columns(query), ['x', 'y'])
      driver.exec('drop table a; create table a (x, y, z); insert into a values (1, 2, 3)')
      equal(driver.all(query, [1]), [[1, 2, 3]])
    }),
    onDriver('more different statements than are kept', (driver) => {
      for (let pass = 0; pass < 2; pass += 1) {
        for (let n = 0; n < 400; n += 1) equal(driver.all(`select ${n} + ?`, [1]), [[n + 1]])
      }
    }),
    onDriver('FTS5 finds words', (driver) => {
      driver.exec(
        "create virtual table names using fts5 (name); insert into names values ('Ada Lovelace'), ('Alan Turing')",
      )
      equal(driver.all('select name from names where names match ?', ['"love" *']), [['Ada Lovelace']])
    }),
    onDriver('json_group_array keeps the order of an ordered subquery', (driver) => {
      driver.exec('create table a (x integer)')
      driver.run('insert into a select value from json_each(?)', ['[3,1,2,10,5]'])
      const sql = 'select json_group_array(json_array(x)) from (select x from a order by x desc limit 4)'
      equal(driver.all(sql), [['[[10],[5],[3],[2]]']])
    }),
    onDriver('[D1] bad SQL and a broken constraint are plain errors that name the SQL', (driver) => {
      driver.exec('create table a (x unique not null); insert into a values (1)')
      isBug('selec 1', () => driver.all('selec 1'))
      isBug('create tabel b', () => driver.exec('create tabel b (y)'))
      isBug('insert into a values (?)', () => driver.run('insert into a values (?)', [1]))
      isBug('insert into a values (?)', () => driver.run('insert into a values (?)', [null]))
      equal(driver.all('select count(*) from a'), [[1]])
    }),
  ]
}

function functionCases(): SqliteDriverCase[] {
  return [
    onDriver('a defined function runs in an insert from a select, and gets null as empty text', (driver) => {
      driver.defineFunction('shout', (text) => `${text.toUpperCase()}!`)
      driver.exec('create table a (x)')
      driver.run('insert into a select shout(value) from json_each(?)', ['["ada","éà",null]'])
      equal(driver.all('select x from a'), [['ADA!'], ['ÉÀ!'], ['!']])
    }),
    onDriver('a defined function takes and gives large text', (driver) => {
      driver.defineFunction('twice', (text) => text + text)
      const text = 'سلام'.repeat(100_000)
      equal(driver.all('select twice(?)', [text]), [[text + text]])
    }),
    onDriver('what a defined function throws is a plain error, and the statement has no effect', (driver) => {
      driver.defineFunction('refuse', (text) => {
        if (text === 'b') throw new RangeError('not b')
        return text
      })
      driver.exec('create table a (x)')
      isBug('not b', () => driver.run('insert into a select refuse(value) from json_each(?)', ['["a","b"]']))
      equal(driver.all('select count(*) from a'), [[0]])
    }),
  ]
}

function transactionCases(): SqliteDriverCase[] {
  return [
    onDriver('rollback restores what was', (driver) => {
      driver.exec(
        "create table a (x); insert into a values ('kept'); begin; delete from a; create table b (y); rollback",
      )
      equal(driver.all('select x from a'), [['kept']])
      isBug('no such table', () => driver.all('select * from b'))
    }),
    onDriver('[D4] rollback without a transaction is harmless', (driver) => {
      driver.exec('rollback')
      driver.exec('ROLLBACK;')
    }),
    onDriver(
      '[D1, D4] a full disk rolls the transaction back, and leaves the rest whole and the connection usable',
      (driver) => {
        driver.exec("create table a (x); insert into a values ('first')")
        const [[pages] = []] = driver.all('pragma page_count')
        driver.all(`pragma max_page_count = ${Number(pages) + 20}`)
        driver.exec('begin')
        driver.run('insert into a values (?)', ['second'])
        isFault('STORAGE_FULL', () => driver.run('insert into a values (?)', ['x'.repeat(1_000_000)]))
        driver.exec('rollback')
        equal(driver.all('select x from a'), [['first']])
        equal(driver.all('pragma integrity_check'), [['ok']])
        driver.all('pragma max_page_count = 1073741823')
        driver.exec('begin')
        driver.run('insert into a values (?)', ['x'.repeat(1_000_000)])
        driver.exec('commit')
        equal(driver.all('select count(*) from a'), [[2]])
      },
    ),
  ]
}

function lifeCases(): SqliteDriverCase[] {
  return [
    {
      name: 'after close every call throws CLOSED, and close itself is harmless',
      needs: 'nothing',
      run: async (open) => {
        const driver = await open()
        driver.all('select 1')
        driver.close()
        driver.close()
        isFault('CLOSED', () => driver.exec('select 1'))
        isFault('CLOSED', () => driver.run('select 1'))
        isFault('CLOSED', () => driver.all('select 1'))
        isFault('CLOSED', () => driver.columns('select 1'))
        isFault('CLOSED', () => driver.defineFunction('same', (text) => text))
      },
    },
    {
      name: 'opened again, it shows what was committed and nothing else',
      needs: 'file',
      run: async (open) => {
        const first = await open()
        first.exec("create table a (x); begin; insert into a values ('kept'); commit")
        first.exec("begin; insert into a values ('lost')")
        first.close()
        const second = await open()
        equal(second.all('select x from a'), [['kept']])
        second.close()
      },
    },
    {
      name: '[D1] a second opening is refused with STORAGE_LOCKED, and harms nothing',
      needs: 'file',
      run: async (open) => {
        const driver = await open()
        driver.exec('create table a (x)')
        await isRefused('STORAGE_LOCKED', open)
        driver.exec("insert into a values ('kept')")
        driver.close()
        const next = await open()
        equal(next.all('select x from a'), [['kept']])
        next.close()
      },
    },
    onDriver('[D2] a database in a file is set to WAL with a synced commit', (driver) => {
      const [[mode] = []] = driver.all('pragma journal_mode')
      if (mode !== 'memory') equal(mode, 'wal')
      equal(driver.all('pragma synchronous'), [[2]])
    }),
  ]
}

function onDriver(name: string, check: (driver: SqliteDriver) => void): SqliteDriverCase {
  return {
    name,
    needs: 'nothing',
    run: async (open) => {
      const driver = await open()
      try {
        check(driver)
      } finally {
        driver.close()
      }
    },
  }
}

function equal(actual: unknown, expected: SqliteValue | readonly SqliteValue[] | readonly SqliteRow[]): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`expected ${brief(should)}, got ${brief(is)}`)
}

function isFault(code: ErrorCode, call: () => unknown): void {
  const error = errorOf(call)
  if (!(error instanceof EngineError) || error.code !== code) throw new Error(`expected ${code}, got ${error}`)
}

function isBug(part: string, call: () => unknown): void {
  const error = errorOf(call)
  if (!(error instanceof Error) || error instanceof EngineError || !error.message.includes(part)) {
    throw new Error(`expected a plain error with "${part}", got ${error}`)
  }
}

async function isRefused(code: ErrorCode, open: OpenDriver): Promise<void> {
  const answer = await open().then(
    (driver) => driver.close(),
    (error: unknown) => error,
  )
  isFault(code, () => {
    if (answer !== undefined) throw answer
  })
}

function errorOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return 'no error'
}

function brief(text: string | undefined): string {
  return text === undefined || text.length <= 200 ? String(text) : `${text.slice(0, 200)}… (${text.length} characters)`
}
