import { inject } from 'vitest'
import { administer, createSchema } from '../store/postgres.test.kit.ts'
import { postgres } from '../store/postgres.ts'
import { describePushGroup } from './push-group.cases.ts'

describePushGroup('postgres', async () => {
  const database = inject('postgresUrl')
  const place = await createSchema(database)
  return {
    store: postgres(place.url),
    refuseLeads: (name) =>
      administer(database, `alter table ${place.name}.leads add constraint refused check (name <> '${name}')`),
    dispose: () => place.drop(),
  }
})
