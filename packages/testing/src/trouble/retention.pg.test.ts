import { inject } from 'vitest'
import { keptOnPostgres } from '../support/kept-store.ts'
import { describeRetention } from './retention.cases.ts'

describeRetention(keptOnPostgres(inject('postgresUrl')))
