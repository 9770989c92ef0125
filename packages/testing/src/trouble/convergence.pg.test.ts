import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeConvergence } from './convergence.cases.ts'

describeConvergence(onPostgres(inject('postgresUrl')), [3], async (database, sql) => void (await database.read(sql)))
