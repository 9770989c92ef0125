import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { vi } from 'vitest'
import { sqlite } from '../store/sqlite.ts'
import { describeCommitter } from './committer.cases.ts'
import { type DatabaseUnderTest, describePushGroup } from './push-group.cases.ts'

const makeDatabase = async (): Promise<DatabaseUnderTest> => {
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
    countStatements: () => {
      const spies = [
        vi.spyOn(StatementSync.prototype, 'all'),
        vi.spyOn(StatementSync.prototype, 'run'),
        vi.spyOn(DatabaseSync.prototype, 'exec'),
      ]
      return () => {
        const count = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0)
        for (const spy of spies) spy.mockRestore()
        return count
      }
    },
    dispose: async () => rmSync(directory, { recursive: true, force: true }),
  }
}

describePushGroup('sqlite', makeDatabase)
describeCommitter('sqlite', makeDatabase)
