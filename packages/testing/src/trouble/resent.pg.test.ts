import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeResent } from './resent.cases.ts'

describeResent(onPostgres(inject('postgresUrl')))
