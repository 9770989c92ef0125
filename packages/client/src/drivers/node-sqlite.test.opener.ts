/** A second process: tries to open the database and says what came of it. */
import { EngineError } from '@holdfast/core'
import { nodeSqlite } from './node-sqlite.ts'

try {
  const driver = await nodeSqlite(String(process.argv[2]))()
  driver.close()
  console.log('opened')
} catch (error) {
  console.log(error instanceof EngineError ? error.code : error)
}
