import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeStorms } from './storms.cases.ts'

describeStorms(onPostgres(inject('postgresUrl')))
