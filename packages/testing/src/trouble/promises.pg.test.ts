import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describePromises } from './promises.cases.ts'

describePromises(onPostgres(inject('postgresUrl')))
