import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqlite } from '../store/sqlite.ts'
import { describePushGroup } from './push-group.cases.ts'

describePushGroup('sqlite', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-push-'))
  return {
    store: sqlite(directory),
    refuseLeads: async (name) => {
      const database = new DatabaseSync(path.join(directory, 'holdfast.db'), { timeout: 1_000 })
      database.exec(
        `create trigger refused before insert on leads when new.name = '${name}' begin select raise(abort, 'no'); end`,
      )
      database.close()
    },
    dispose: async () => rmSync(directory, { recursive: true, force: true }),
  }
})
