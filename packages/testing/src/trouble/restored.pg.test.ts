import { inject } from 'vitest'
import { startPostgres } from '../../../../scripts/postgres.ts'
import { keptOnPostgres, setBackOnPostgres } from '../support/kept-store.ts'
import { describeRestored, describeSetBack } from './restored.cases.ts'

describeRestored(keptOnPostgres(inject('postgresUrl')))
describeSetBack(setBackOnPostgres(startPostgres))
