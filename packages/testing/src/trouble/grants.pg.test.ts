import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeGrants } from './grants.cases.ts'

describeGrants(onPostgres(inject('postgresUrl')))
