import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeDisputes } from './disputes.cases.ts'

describeDisputes(onPostgres(inject('postgresUrl')), [11, 12, 13])
