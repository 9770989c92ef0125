/** A process to be killed: commits numbered rows as fast as it can, and says each number once it is committed. */
import { writeSync } from 'node:fs'
import { nodeSqlite } from './node-sqlite.ts'

const driver = await nodeSqlite(String(process.argv[2]))()
driver.exec('create table if not exists numbers (n integer primary key, filler text)')
const [[last] = []] = driver.all('select coalesce(max(n), 0) from numbers')
for (let n = Number(last) + 1; ; n += 1) {
  driver.exec('begin immediate')
  driver.run('insert into numbers values (?, ?)', [n, `row ${n} `.repeat(n % 500)])
  driver.run('update numbers set filler = ? where n = ?', [`again ${n}`, n - 1])
  driver.exec('commit')
  writeSync(1, `${n}\n`) // At once, unlike console.log to a pipe: a number said is a number committed.
}
