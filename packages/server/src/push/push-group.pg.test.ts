import pg from 'pg'
import { inject, vi } from 'vitest'
import { administer, createSchema } from '../store/postgres.test.kit.ts'
import { postgres } from '../store/postgres.ts'
import { describeCommitter } from './committer.cases.ts'
import { type DatabaseUnderTest, describePushGroup } from './push-group.cases.ts'

const makeDatabase = async (): Promise<DatabaseUnderTest> => {
  const database = inject('postgresUrl')
  const place = await createSchema(database)
  return {
    store: postgres(place.url),
    refuseLeads: (name) =>
      administer(database, `alter table ${place.name}.leads add constraint refused check (name <> '${name}')`),
    countStatements: () => {
      const spy = vi.spyOn(pg.Client.prototype, 'query')
      return () => {
        const count = spy.mock.calls.length
        spy.mockRestore()
        return count
      }
    },
    dispose: () => place.drop(),
  }
}

describePushGroup('postgres', makeDatabase)
describeCommitter('postgres', makeDatabase)
