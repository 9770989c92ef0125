import type { OpenDriver } from '../ports/open-driver.ts'

/** A driver opens files and deletes none: the tables go, and with `vacuum` their pages, so that nothing of them can be read. */
export async function emptyDatabase(openDriver: OpenDriver): Promise<void> {
  const driver = await openDriver()
  try {
    const virtual = "select name from sqlite_schema where type = 'table' and sql like 'create virtual%'"
    const ordinary = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'"
    // Virtual ones first: their shadow tables go with them.
    for (const names of [virtual, ordinary]) {
      for (const [name] of driver.all(names)) driver.exec(`drop table "${name}"`)
    }
    driver.exec('vacuum')
    driver.all('pragma wal_checkpoint(truncate)')
  } finally {
    driver.close()
  }
}
